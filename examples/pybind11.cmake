# Find pybind11: ROS brings it, or pip does.
find_package(Python3 REQUIRED COMPONENTS Interpreter Development.Module)
# pybind11 2.x looks for Python under this name.
set(Python_EXECUTABLE ${Python3_EXECUTABLE})
set(PYBIND11_FINDPYTHON ON)
find_package(pybind11_vendor QUIET)
if(NOT pybind11_DIR)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c "import pybind11; print(pybind11.get_cmake_dir())"
    OUTPUT_VARIABLE pybind11_FROM_PIP OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(pybind11_FROM_PIP)
    set(pybind11_DIR "${pybind11_FROM_PIP}")
  endif()
endif()
find_package(pybind11 REQUIRED)

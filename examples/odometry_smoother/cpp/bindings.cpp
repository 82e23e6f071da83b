#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "smoother.hpp"

namespace py = pybind11;
using odometry_smoother::Config;
using odometry_smoother::Smoother;

namespace {

template <bool LimitAcceleration>
void bind(py::module_& module, const char* name, const char* doc) {
  using Type = Smoother<LimitAcceleration>;
  py::class_<Type>(module, name, doc)
      .def(py::init([](double cutoff_hz, double damping, double max_linear_acceleration,
                       double max_angular_acceleration, double reset_after_s) {
             return Type(Config{cutoff_hz, damping, max_linear_acceleration,
                                max_angular_acceleration, reset_after_s});
           }),
           py::kw_only(), py::arg("cutoff_hz"), py::arg("damping"),
           py::arg("max_linear_acceleration"), py::arg("max_angular_acceleration"),
           py::arg("reset_after_s"))
      .def("step", &Type::step, py::arg("stamp_ns"), py::arg("measured"),
           "Smooth six velocities (linear x y z, angular x y z) measured at a stamp.");
}

}  // namespace

PYBIND11_MODULE(_smoother, module) {
  module.doc() = "Odometry smoother in C++.";
  bind<true>(module, "Smoother", "Second-order low-pass with acceleration limit.");
  bind<false>(module, "SmootherWithoutLimit", "Deliberately wrong: the limit was dropped.");
}

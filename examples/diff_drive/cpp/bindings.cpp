#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "navigator.hpp"

namespace py = pybind11;
using room_navigator::Config;
using room_navigator::Steering;
using Ranges = py::array_t<float, py::array::c_style | py::array::forcecast>;

PYBIND11_MODULE(_navigator, module) {
  module.doc() = "Navigator in C++.";
  py::class_<Steering>(module, "Steering", "Vector field histogram.")
      .def(py::init([](double max_speed, double max_turn_rate, double heading_gain,
                       double look_ahead_m, double keep_away_m, double slow_within_m,
                       double change_cost) {
             return Steering(Config{max_speed, max_turn_rate, heading_gain, look_ahead_m,
                                    keep_away_m, slow_within_m, change_cost});
           }),
           py::kw_only(), py::arg("max_speed"), py::arg("max_turn_rate"), py::arg("heading_gain"),
           py::arg("look_ahead_m"), py::arg("keep_away_m"), py::arg("slow_within_m"),
           py::arg("change_cost"))
      .def(
          "command",
          [](Steering& self, const Ranges& ranges, double range_min, double goal_x,
             double goal_y) {
            return self.command(ranges.data(), static_cast<std::size_t>(ranges.size()), range_min,
                                goal_x, goal_y);
          },
          py::arg("ranges"), py::arg("range_min"), py::arg("goal_x"), py::arg("goal_y"),
          "Return speed and turn rate.");
}

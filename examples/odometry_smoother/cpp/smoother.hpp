// Odometry smoother: second-order low-pass with an acceleration limit, six axes.
// The arithmetic is that of original.py, operation by operation.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace odometry_smoother {

constexpr double kPi = 3.141592653589793;
using Velocities = std::array<double, 6>;  // linear x y z, angular x y z

struct Config {
  double cutoff_hz;
  double damping;
  double max_linear_acceleration;
  double max_angular_acceleration;
  double reset_after_s;
};

template <bool LimitAcceleration>
class Axis {
 public:
  double start(double velocity) {
    velocity_ = velocity;
    acceleration_ = 0.0;
    return velocity;
  }

  double advance(const Config& config, double limit, double velocity, double dt) {
    const double omega = 2.0 * kPi * config.cutoff_hz;
    const double stiffness = omega * omega * dt;
    const double numerator = acceleration_ + stiffness * (velocity - velocity_);
    const double denominator = 1.0 + 2.0 * config.damping * omega * dt + stiffness * dt;
    acceleration_ = numerator / denominator;
    if constexpr (LimitAcceleration) {
      acceleration_ = std::min(std::max(acceleration_, -limit), limit);
    }
    velocity_ = velocity_ + acceleration_ * dt;
    return velocity_;
  }

 private:
  double velocity_ = 0.0;
  double acceleration_ = 0.0;
};

template <bool LimitAcceleration>
class Smoother {
 public:
  explicit Smoother(const Config& config) : config_(config) {}

  Velocities step(std::int64_t stamp_ns, const Velocities& measured) {
    const std::int64_t elapsed_ns = stamp_ns_ ? stamp_ns - *stamp_ns_ : 0;
    stamp_ns_ = stamp_ns;
    const double dt = static_cast<double>(elapsed_ns) * 1e-9;
    const bool restart = elapsed_ns <= 0 || dt > config_.reset_after_s;
    Velocities smoothed{};
    for (std::size_t i = 0; i < measured.size(); ++i) {
      const double limit =
          i < 3 ? config_.max_linear_acceleration : config_.max_angular_acceleration;
      smoothed[i] = restart ? axes_[i].start(measured[i])
                            : axes_[i].advance(config_, limit, measured[i], dt);
    }
    return smoothed;
  }

 private:
  Config config_;
  std::optional<std::int64_t> stamp_ns_;
  std::array<Axis<LimitAcceleration>, 6> axes_;
};

}  // namespace odometry_smoother

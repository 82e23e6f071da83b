// What to command, from a scan and where the goal is: a vector field histogram.
// The arithmetic is that of original.py, operation by operation.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

namespace room_navigator {

constexpr double kPi = 3.141592653589793;
constexpr int kSectors = 72;
constexpr double kWidth = 2.0 * kPi / kSectors;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Config {
  double max_speed;
  double max_turn_rate;
  double heading_gain;
  double look_ahead_m;
  double keep_away_m;
  double slow_within_m;
  double change_cost;
};

inline double wrapped(double angle) {
  while (angle > kPi) angle = angle - 2.0 * kPi;
  while (angle < -kPi) angle = angle + 2.0 * kPi;
  return angle;
}

class Steering {
 public:
  explicit Steering(const Config& config) : config_(config) {}

  // Return speed and turn rate.
  std::pair<double, double> command(const float* ranges, std::size_t count, double range_min,
                                    double goal_x, double goal_y) {
    const Sectors nearest = find_nearest(ranges, count, range_min);
    const double distance = std::sqrt(goal_x * goal_x + goal_y * goal_y);
    const double wanted = std::atan2(goal_y, goal_x);
    const auto closed = find_closed(nearest, std::min(config_.look_ahead_m, distance));
    double direction = 0.0;
    double cheapest = kInfinity;
    for (int sector = 0; sector < kSectors; ++sector) {
      if (closed[sector]) continue;
      const double angle = (sector + 0.5) * kWidth - kPi;
      const double cost = std::abs(wrapped(angle - wanted)) +
                          config_.change_cost * std::abs(wrapped(angle - before_));
      if (cost < cheapest) {
        direction = angle;
        cheapest = cost;
      }
    }
    if (cheapest == kInfinity) return {0.0, config_.max_turn_rate};
    if (std::abs(wrapped(direction - wanted)) < kWidth) direction = wanted;
    before_ = direction;
    double turn = config_.heading_gain * direction;
    turn = std::min(std::max(turn, -config_.max_turn_rate), config_.max_turn_rate);
    const auto middle = nearest.begin() + kSectors / 2;
    const double ahead = *std::min_element(middle - 3, middle + 3) - config_.keep_away_m;
    const double room = std::min(std::max(ahead / config_.slow_within_m, 0.0), 1.0);
    const double speed = config_.max_speed * std::max(std::cos(direction), 0.0) * room;
    return {std::min(speed, distance), turn};
  }

 private:
  using Sectors = std::array<double, kSectors>;

  static Sectors find_nearest(const float* ranges, std::size_t count, double range_min) {
    Sectors found;
    for (std::size_t sector = 0; sector < kSectors; ++sector) {
      double nearest = kInfinity;
      for (std::size_t i = sector * count / kSectors; i < (sector + 1) * count / kSectors; ++i) {
        const double each = ranges[i];
        nearest = std::min(nearest, std::max(each, range_min));
      }
      found[sector] = nearest;
    }
    return found;
  }

  std::array<bool, kSectors> find_closed(const Sectors& nearest, double within) const {
    std::array<bool, kSectors> closed{};
    for (int sector = 0; sector < kSectors; ++sector) {
      const double distance = nearest[sector];
      if (distance > within + config_.keep_away_m) continue;
      const double half = distance > config_.keep_away_m
                              ? std::asin(config_.keep_away_m / distance)
                              : kPi / 2.0;
      const int span = static_cast<int>(half / kWidth + 0.5);
      for (int other = sector - span; other <= sector + span; ++other) {
        closed[(other + kSectors) % kSectors] = true;
      }
    }
    return closed;
  }

  Config config_;
  double before_ = 0.0;
};

}  // namespace room_navigator

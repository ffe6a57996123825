// Observations: models publish typed facts and do not know who listens. Without a subscriber an
// observation costs one predictable branch:
//
//   if (dma_.active()) dma_.publish(DmaCompleted{...});
//
// Subscribers look and never touch the model. They are called in the order of subscription.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <typeindex>
#include <vector>

namespace baton::sim {

class TopicBase {
 public:
  virtual ~TopicBase() = default;
};

template <class Observation>
class Topic final : public TopicBase {
 public:
  bool active() const { return !subscribers_.empty(); }

  void publish(const Observation& observation) const {
    for (const auto& subscriber : subscribers_) {
      subscriber(observation);
    }
  }

  void subscribe(std::function<void(const Observation&)> subscriber) {
    subscribers_.push_back(std::move(subscriber));
  }

 private:
  std::vector<std::function<void(const Observation&)>> subscribers_;
};

// All topics of one simulation, one per observation type. Looked up at construction of a model
// object, never on a hot path.
class Topics {
 public:
  template <class Observation>
  Topic<Observation>& get() {
    std::unique_ptr<TopicBase>& slot = topics_[std::type_index(typeid(Observation))];
    if (slot == nullptr) {
      slot = std::make_unique<Topic<Observation>>();
    }
    return static_cast<Topic<Observation>&>(*slot);
  }

 private:
  std::map<std::type_index, std::unique_ptr<TopicBase>> topics_;
};

}  // namespace baton::sim

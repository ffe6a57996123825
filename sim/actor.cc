#include "sim/actor.h"

#include <boost/asio/co_spawn.hpp>

namespace baton::sim {

Context::Context(Simulation& simulation, std::string name)
    : simulation_(simulation),
      name_(std::move(name)),
      actor_(simulation.add_actor(name_)),
      drain_event_(*this, actor_, "drain", Phase::kSoftware) {}

Context::~Context() {
  die();
  shutdown();
  destroy();
}

void Context::spawn(Co<> body) {
  BATON_CHECK(!dead_, "an actor is started in a dead kernel");
  ++actors_alive_;
  boost::asio::co_spawn(Executor(*this), std::move(body), [this](std::exception_ptr escaped) {
    --actors_alive_;
    if (escaped && !escaped_) {
      escaped_ = escaped;
    }
  });
}

void Context::rethrow_escaped() {
  if (escaped_) {
    std::rethrow_exception(std::exchange(escaped_, nullptr));
  }
}

void Context::suspend(WaitNode& node, WaitNode::Handler handler) {
  BATON_CHECK(!dead_, "a dead kernel waits");
  BATON_CHECK(!node.handler_.has_value(), "a wait node is used by two waits at once");
  node.handler_.emplace(std::move(handler));
  waits_.push_back(node);
}

void Context::wake(WaitNode& node) {
  if (node.handler_.has_value() && !(node.scheduled() && node.time() == simulation_.now())) {
    simulation_.cancel(node);
    simulation_.schedule(node, Duration());
  }
}

void WaitNode::fire() {
  if (context_.halted_) {
    return;  // suspended for good; die() takes the frame away
  }
  WaitHook::unlink();
  WaitQueueHook::unlink();
  Handler handler = std::move(*handler_);
  handler_.reset();
  context_.resume(std::move(handler));
}

void Context::resume(WaitNode::Handler handler) {
  ++running_;
  std::move(handler)();
  --running_;
  rethrow_escaped();
}

void Context::post(std::unique_ptr<Task> task) {
  if (dead_) {
    return;  // frames in destruction may post their completion; nobody is left to hear it
  }
  tasks_.push_back(std::move(task));
  if (!drain_event_.scheduled()) {
    simulation_.schedule(drain_event_, Duration());
  }
}

void Context::drain() {
  ++running_;
  while (!tasks_.empty() && !halted_) {
    std::vector<std::unique_ptr<Task>> batch = std::move(tasks_);
    tasks_.clear();
    for (std::unique_ptr<Task>& task : batch) {
      if (halted_) {
        tasks_.push_back(std::move(task));
      } else {
        task->run();
      }
    }
  }
  --running_;
  rethrow_escaped();
}

void Context::die() {
  if (dead_) {
    return;
  }
  BATON_CHECK(running_ == 0, "a kernel is destroyed while one of its frames runs");
  dead_ = true;
  simulation_.cancel(drain_event_);
  // Take every continuation out of its node first: destroying one destroys the frame that holds
  // the node of another.
  std::vector<WaitNode::Handler> continuations;
  for (WaitNode& node : waits_) {
    continuations.push_back(std::move(*node.handler_));
    node.handler_.reset();
    simulation_.cancel(node);
  }
  tasks_.clear();
  continuations.clear();
  actors_alive_ = 0;
  BATON_CHECK(waits_.empty(), "a waiter outlives its kernel");
}

void WaitQueue::wake_one() {
  if (!waiters_.empty()) {
    WaitNode& node = waiters_.front();
    waiters_.pop_front();
    node.context_.wake(node);
  }
}

void WaitQueue::wake_all() {
  while (!waiters_.empty()) {
    wake_one();
  }
}

}  // namespace baton::sim

// Software actors: kernels and processes as C++20 coroutines on simulated time.
//
// A Co<T> is boost::asio::awaitable on an executor whose only clock is the simulation. All actors
// of one kernel generation share one Context. Suspended waits are linked in their Context, and in
// nothing else: hardware knows interrupt lines and mailboxes, never a waiter. So a kernel dies by
// destroying every suspended frame at once, in Context::die().
//
// Rules that the callers keep:
//  - spawn(), never co_spawn with `detached`, which swallows exceptions.
//  - die() runs from the event loop, when no frame of the Context is on the stack (checked).
//  - no aggregate temporary and no capturing lambda inside the full expression of a co_await: GCC
//  12
//    destroys them twice. Name the value, then await. tests/source looks for it.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/check.h"
#include "sim/event.h"
#include "sim/simulation.h"

namespace baton::sim {

class Context;

// The executor that Asio sees: a pointer to the Context.
class Executor {
 public:
  explicit Executor(Context& context) : context_(&context) {}

  Context& query(boost::asio::execution::context_t) const noexcept { return *context_; }
  static constexpr boost::asio::execution::blocking_t query(
      boost::asio::execution::blocking_t) noexcept {
    return boost::asio::execution::blocking.never;
  }
  template <class Function>
  void execute(Function&& function) const;

  friend bool operator==(const Executor& a, const Executor& b) noexcept {
    return a.context_ == b.context_;
  }
  friend bool operator!=(const Executor& a, const Executor& b) noexcept { return !(a == b); }

 private:
  Context* context_;
};

// The return type of everything that may sleep, lock or call out.
template <class T = void>
using Co = boost::asio::awaitable<T, Executor>;

using WaitHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
struct WaitQueueTag;
using WaitQueueHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<WaitQueueTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

// One suspended wait: a local of the coroutine that waits, holding the continuation in place, so
// that a wait allocates nothing.
class WaitNode final : public Event, public WaitHook, public WaitQueueHook {
 public:
  // What Asio hands to an operation that is awaited itself (Wait). The name is one of its details:
  // a new Boost that changes it does not compile.
  using Handler = boost::asio::detail::awaitable_async_op_handler<void(), Executor>;

  WaitNode(Context& context, ActorId actor, Kind kind)
      : Event(actor, kind, Phase::kSoftware), context_(context) {}

 private:
  friend class Context;
  friend class WaitQueue;

  void fire() override;

  Context& context_;
  std::optional<Handler> handler_;
};

// What is awaited: an asynchronous operation in Asio's sense, which Asio begins in the frame that
// awaits. What its use_awaitable makes instead is a frame of its own for each wait, on the heap.
template <class Begin>
class Wait {
 public:
  explicit Wait(Begin begin) : begin_(std::move(begin)) {}

  template <class Token>
  auto operator()(Token&& token)
      -> decltype(boost::asio::async_initiate<Token, void()>(std::declval<Begin&>(), token)) {
    return boost::asio::async_initiate<Token, void()>(begin_, token);
  }

 private:
  Begin begin_;
};

// The software of one kernel generation: its actors, their suspended waits, their end.
class Context final : public boost::asio::execution_context {
 public:
  Context(Simulation& simulation, std::string name);
  ~Context();

  Simulation& simulation() { return simulation_; }
  const std::string& name() const { return name_; }
  ActorId actor() const { return actor_; }

  // Starts an actor. Its first step runs at the current instant, in phase software. An exception
  // that escapes from it is a bug in baton.
  void spawn(Co<> body);

  // Suspends the caller for `duration`. `node` is a local of the caller:
  //   WaitNode node(context, actor, "settle");
  //   co_await context.sleep(node, 10_us);
  auto sleep(WaitNode& node, Duration duration) {
    return Wait([this, &node, duration](WaitNode::Handler handler) {
      suspend(node, std::move(handler));
      simulation_.schedule(node, duration);
    });
  }

  // Suspends the caller for ever, or until wake(node).
  auto wait(WaitNode& node) {
    return Wait([this, &node](WaitNode::Handler handler) { suspend(node, std::move(handler)); });
  }

  // Lets a waiter continue at the current instant, after all events scheduled before. Waking a node
  // that does not wait does nothing.
  void wake(WaitNode& node);

  // All software stands still from here on, as after a panic: nothing is resumed any more, what is
  // due waits for die(). The caller's own frame may still unwind.
  void halt() { halted_ = true; }
  // Destroys every suspended frame, started or not. Nothing of this Context runs afterwards.
  void die();
  bool dead() const { return dead_; }

  // Suspended waits and actors that have not ended: both 0 after die().
  std::size_t waiting() const { return waits_.size(); }
  std::size_t actors_alive() const { return actors_alive_; }

 private:
  friend class Executor;
  friend class WaitNode;

  struct Task {
    virtual ~Task() = default;
    virtual void run() = 0;
  };
  template <class Function>
  struct FunctionTask;
  using Waits = boost::intrusive::list<WaitNode, boost::intrusive::base_hook<WaitHook>,
                                       boost::intrusive::constant_time_size<false>>;

  void suspend(WaitNode& node, WaitNode::Handler handler);
  void post(std::unique_ptr<Task> task);
  void drain();
  void resume(WaitNode::Handler handler);
  void rethrow_escaped();

  Simulation& simulation_;
  std::string name_;
  ActorId actor_;
  bool dead_ = false;
  bool halted_ = false;
  int running_ = 0;  // frames of this Context on the stack
  std::size_t actors_alive_ = 0;
  std::exception_ptr escaped_;  // an actor's exception, on its way to the event loop
  Waits waits_;
  std::vector<std::unique_ptr<Task>> tasks_;
  MemberEvent<&Context::drain> drain_event_;
};

// Waiters for a condition, in order of arrival. Belongs to a kernel object.
class WaitQueue {
 public:
  // Suspends the caller until woken; re-check the condition afterwards.
  auto wait(Context& context, WaitNode& node) {
    waiters_.push_back(node);
    return context.wait(node);
  }
  void wake_one();
  void wake_all();
  bool empty() const { return waiters_.empty(); }

 private:
  boost::intrusive::list<WaitNode, boost::intrusive::base_hook<WaitQueueHook>,
                         boost::intrusive::constant_time_size<false>>
      waiters_;
};

template <class Function>
struct Context::FunctionTask final : Context::Task {
  explicit FunctionTask(Function f) : function(std::move(f)) {}
  void run() override {
    Function local(std::move(function));
    local();
  }
  Function function;
};

template <class Function>
void Executor::execute(Function&& function) const {
  using Task = Context::FunctionTask<std::decay_t<Function>>;
  context_->post(std::make_unique<Task>(std::forward<Function>(function)));
}

}  // namespace baton::sim

namespace baton {
using sim::Co;
}

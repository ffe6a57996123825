#include "harness/scenario/bind_processes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "harness/scenario/call_rows.h"
#include "harness/scenario/key_text.h"
#include "harness/scenario/view.h"
#include "model/vmm/script_values.h"

namespace baton::harness {
namespace {

namespace uapi = linux::uapi;
using Kind = Node::Kind;

constexpr std::uint64_t kMostRepeats = 100'000;
constexpr std::uint64_t kMostArgument = 65'536;
constexpr unsigned kMostForks = 4;
constexpr std::string_view kProcessName = "letters, digits, '-' and '_'";

// Names that a call may use: results of the calls before it, and processes.
struct Scope {
  std::set<std::string, std::less<>> results;
  std::set<std::string, std::less<>> processes;
};

std::string_view word_of(CallKeyType type, std::string_view call) {
  if (type != CallKeyType::kWord) return "";
  if (call == "setrlimit") return "RLIMIT_NOFILE";
  if (call == "recvmsg") return "descriptor";
  if (call == "kexec_file_load") return "next";
  return call == "reboot" ? "kexec" : "forever";
}

std::optional<std::string> from_hex(std::string_view text) {
  std::string bytes;
  std::string digits;
  for (const char c : text) {
    if (c == ' ' && digits.empty()) continue;
    digits.push_back(c);
    if (digits.size() < 2) continue;
    const auto value = vmm::number_of("0x" + digits);
    if (!value || digits[0] == '-') return std::nullopt;
    bytes.push_back(static_cast<char>(*value));
    digits.clear();
  }
  if (!digits.empty()) return std::nullopt;
  return bytes;
}

// One call.
class CallBinder {
 public:
  CallBinder(const Node& node, Scope& scope, unsigned depth, Diagnostics& diagnostics)
      : node_(node), scope_(scope), depth_(depth), diagnostics_(diagnostics) {}

  std::optional<vmm::ScriptCall> bind() {
    if (node_.kind != Kind::kMap || node_.keys.empty()) {
      add(Problem::kWrongType, node_.at, "a call is a mapping like {open: /dev/null, as: null}");
      return std::nullopt;
    }
    std::vector<std::string_view> names;
    for (const CallRow& row : call_rows()) names.push_back(row.name);
    row_ = call_row(node_.keys.front().text);
    if (row_ == nullptr) {
      const Node::Key& key = node_.keys.front();
      add(Problem::kUnknownName, key.at, fmt::format("unknown call \"{}\"", key.text),
          did_you_mean(key.text, names), fmt::format("calls: {}", fmt::join(names, ", ")));
      return std::nullopt;
    }
    call_.kind = row_->kind;
    call_.place = {node_.at.line, node_.at.column};
    call_.text = flow_text(node_);
    // How often it is made decides which names there are.
    if (const Node* repeat = node_.find("repeat")) bind_repeat(*repeat);
    bind_subject(node_.items.front());
    for (std::size_t i = 1; i < node_.keys.size() && good_; ++i) {
      bind_key(node_.keys[i], node_.items[i]);
    }
    if (!good_) return std::nullopt;
    check_whole();
    if (!good_) return std::nullopt;
    if (!call_.as.empty()) define(call_.as);
    return std::move(call_);
  }

 private:
  void add(Problem problem, Position at, std::string message, std::string note = {},
           std::string help = {}) {
    diagnostics_.add(problem, at, std::move(message), std::move(note), std::move(help));
    good_ = false;
  }

  // A scalar's text; lists and mappings are refused.
  std::string scalar(const Node& node, std::string_view name) {
    if (node.kind != Kind::kScalar) {
      add(Problem::kWrongType, node.at, fmt::format("{}: a single value is expected", name));
    }
    return node.text;
  }

  void bind_repeat(const Node& node) {
    const ParsedValue value = parse_number(node.text);
    if (node.kind != Kind::kScalar || !value || *value == 0 || *value > kMostRepeats) {
      add(Problem::kOutOfRange, node.at, fmt::format("repeat: 1 to {}", kMostRepeats));
      return;
    }
    call_.repeat = static_cast<unsigned>(*value);
  }

  void define(std::string_view name) {
    for (unsigned index = 0; index < call_.repeat; ++index) {
      scope_.results.insert(vmm::with_index(name, index));
      if (name.find("%i") == std::string_view::npos) break;
    }
  }

  // A number, a size, or a name that an earlier call gave to its result.
  std::string operand(const Node& node, std::string_view name) {
    std::string text = scalar(node, name);
    if (!good_) return text;
    for (const unsigned index : {0U, call_.repeat - 1}) {
      const std::string word = vmm::with_index(text, index);
      if (vmm::number_of(word) || scope_.results.contains(word)) continue;
      if (const ParsedValue size = parse_size(word)) return fmt::to_string(*size);
      std::vector<std::string_view> known(scope_.results.begin(), scope_.results.end());
      add(Problem::kUnknownName, node.at, fmt::format("{}: nothing is called \"{}\"", name, word),
          did_you_mean(word, known),
          known.empty()       ? "no call before this one has a result with a name"
          : known.size() > 40 ? "a call before this one names its result by `as`"
                              : fmt::format("results so far: {}", fmt::join(known, ", ")));
      return text;
    }
    return text;
  }

  std::string new_name(const Node& node, std::string_view name) {
    std::string text = scalar(node, name);
    const std::string plain = vmm::with_index(text, 0);
    const bool fits =
        !plain.empty() && !vmm::number_of(plain) && std::ranges::all_of(plain, [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
        });
    if (good_ && !fits) {
      add(Problem::kBadValue, node.at, fmt::format("\"{}\" is no name", text),
          std::string(kProcessName));
    }
    return text;
  }

  void bind_subject(const Node& node) {
    const std::string_view name = row_->name;
    switch (row_->subject) {
      case CallKeyType::kRequest:
        return bind_request(node);
      case CallKeyType::kOperand:
        if (row_->kind == vmm::CallKind::kMmap && node.text == "anonymous") {
          call_.subject = node.text;
          return;
        }
        call_.subject = operand(node, name);
        return;
      case CallKeyType::kName:
        call_.subject = new_name(node, name);
        if (good_ && !scope_.processes.insert(call_.subject).second) {
          add(Problem::kDuplicateName, node.at,
              fmt::format("two processes are called \"{}\"", call_.subject));
        }
        return;
      case CallKeyType::kProcess:
        call_.subject = scalar(node, name);
        if (good_ && !scope_.processes.contains(call_.subject)) {
          const std::vector<std::string_view> known(scope_.processes.begin(),
                                                    scope_.processes.end());
          add(Problem::kUnknownName, node.at, fmt::format("no process \"{}\"", call_.subject),
              did_you_mean(call_.subject, known),
              fmt::format("processes so far: {}", fmt::join(known, ", ")));
        }
        return;
      case CallKeyType::kDuration: {
        const ParsedValue value = parse_duration(scalar(node, name));
        if (good_ && !value) {
          add(Problem::kBadValue, node.at, fmt::format("{}: cannot read \"{}\"", name, node.text),
              value.error());
        }
        call_.subject = fmt::to_string(value.value_or(0));
        return;
      }
      case CallKeyType::kWord: {
        const std::string_view word = word_of(row_->subject, name);
        if (scalar(node, name) != word) {
          add(Problem::kUnknownValue, node.at,
              fmt::format("{}: \"{}\" is not known here", name, node.text),
              fmt::format("only \"{}\" is", word));
        }
        return;
      }
      default:
        call_.subject = scalar(node, name);
    }
  }

  void bind_request(const Node& node) {
    const std::string text = scalar(node, "ioctl");
    call_.row = uapi::ioctl_row(std::string_view(text));
    if (call_.row != nullptr) {
      call_.command = call_.row->command;
      return;
    }
    const ParsedValue number = parse_number(text);
    if (number && *number <= UINT32_MAX) {
      call_.command = static_cast<std::uint32_t>(*number);
      return;
    }
    std::vector<std::string_view> names;
    for (const uapi::IoctlRow& row : uapi::ioctl_rows()) names.push_back(row.name);
    add(Problem::kUnknownName, node.at, fmt::format("unknown ioctl \"{}\"", text),
        did_you_mean(text, names), "a request by its name, or by its number");
  }

  void bind_key(const Node::Key& key, const Node& node) {
    if (key.text == "repeat") return;
    const auto find_in = [&](std::span<const CallKey> keys) {
      const auto found = std::ranges::find(keys, key.text, &CallKey::name);
      return found == keys.end() ? nullptr : &*found;
    };
    const CallKey* row = find_in(row_->keys);
    if (row == nullptr) row = find_in(common_call_keys());
    if (row != nullptr) return bind_value(*row, node);
    if (call_.kind == vmm::CallKind::kIoctl && bind_field(key, node)) return;
    std::vector<std::string_view> names;
    for (const CallKey& known : row_->keys) names.push_back(known.name);
    for (const CallKey& known : common_call_keys()) names.push_back(known.name);
    if (call_.row != nullptr) {
      for (const uapi::IoctlField& field : call_.row->fields) names.push_back(field.name);
    }
    add(Problem::kUnknownKey, key.at, fmt::format("{} has no \"{}\"", row_->name, key.text),
        did_you_mean(key.text, names), fmt::format("keys here: {}", fmt::join(names, ", ")));
  }

  // A field of the struct; its first one is its size. A request without a row has a size alone.
  bool bind_field(const Node::Key& key, const Node& node) {
    const bool is_size = call_.row == nullptr ? key.text == "size"
                         : call_.row->fields.empty() || !call_.row->sized
                             ? false
                             : key.text == call_.row->fields.front().name;
    if (is_size) {
      const ParsedValue value = parse_number(scalar(node, key.text));
      if (good_ && (!value || *value > kMostArgument)) {
        add(Problem::kOutOfRange, node.at, fmt::format("{}: 0 to {}", key.text, kMostArgument));
      }
      call_.size = static_cast<std::uint32_t>(value.value_or(0));
      return true;
    }
    const uapi::IoctlField* field =
        call_.row == nullptr ? nullptr : uapi::field_of(*call_.row, key.text);
    if (field == nullptr) return false;
    call_.fields.push_back({field, field_value(*field, node)});
    return true;
  }

  std::string field_value(const uapi::IoctlField& field, const Node& node) {
    if (field.type == uapi::FieldType::kText) {
      const std::string text = scalar(node, field.name);
      if (good_ && vmm::with_index(text, call_.repeat - 1).size() > field.bytes) {
        add(Problem::kOutOfRange, node.at,
            fmt::format("{}: at most {} characters", field.name, field.bytes));
      }
      return text;
    }
    std::string text = operand(node, field.name);
    const auto value = vmm::number_of(text);
    if (good_ && value && field.bytes == 4 && (*value < INT32_MIN || *value > UINT32_MAX)) {
      add(Problem::kOutOfRange, node.at, fmt::format("{}: 32 bits", field.name));
    }
    return text;
  }

  void bind_value(const CallKey& key, const Node& node) {
    switch (key.type) {
      case CallKeyType::kOperand:
        call_.operands.emplace_back(key.name, operand(node, key.name));
        return;
      case CallKeyType::kName:
        call_.as = new_name(node, key.name);
        if (good_ && !row_->makes) {
          add(Problem::kConflict, node.at, fmt::format("{} makes nothing to name", row_->name));
        }
        return;
      case CallKeyType::kFlags:
        return bind_flags(key, node);
      case CallKeyType::kText:
        call_.content = scalar(node, key.name);
        call_.content_is_text = true;
        return;
      case CallKeyType::kBytes:
        call_.content = from_hex(scalar(node, key.name));
        if (good_ && !call_.content) {
          add(Problem::kBadValue, node.at,
              fmt::format("{}: pairs of hexadecimal digits", key.name));
        }
        return;
      case CallKeyType::kFields:
        return bind_gives(node);
      case CallKeyType::kOperands:
        if (node.kind != Kind::kList) {
          add(Problem::kWrongType, node.at, fmt::format("{}: a list is expected", key.name));
        }
        for (const Node& item : node.items) call_.eventfds.push_back(operand(item, key.name));
        return;
      case CallKeyType::kDuration:
        return bind_duration(key, node);
      case CallKeyType::kMemory:
        return bind_memory(node);
      case CallKeyType::kErrno:
        return bind_errno(node);
      case CallKeyType::kBoolean:
        call_.blocks = scalar(node, key.name) == "true";
        if (good_ && !call_.blocks && node.text != "false") {
          add(Problem::kUnknownValue, node.at, fmt::format("{}: true or false", key.name));
        }
        return;
      case CallKeyType::kNumber: {
        const auto value = vmm::number_of(scalar(node, key.name));
        if (good_ && (!value || (key.name == "tail" && (*value < 0 || *value > 255)))) {
          add(Problem::kBadValue, node.at, fmt::format("{}: a number is expected", key.name));
        }
        if (key.name == "tail") call_.tail = static_cast<std::uint8_t>(value.value_or(0));
        if (key.name == "returns") call_.returns = value;
        return;
      }
      case CallKeyType::kCalls:
        return bind_child(node);
      default:
        return;
    }
  }

  void bind_duration(const CallKey& key, const Node& node) {
    const ParsedValue value = parse_duration(scalar(node, key.name));
    if (good_ && (!value || *value == 0)) {
      add(Problem::kBadValue, node.at, fmt::format("{}: cannot read \"{}\"", key.name, node.text),
          value ? "it is longer than nothing" : value.error());
    }
    call_.operands.emplace_back(key.name, fmt::to_string(value.value_or(0)));
  }

  void bind_flags(const CallKey& key, const Node& node) {
    std::vector<const Node*> items;
    if (node.kind == Kind::kScalar) items.push_back(&node);
    for (const Node& item : node.items) items.push_back(&item);
    std::vector<std::string_view> names;
    for (const CallFlag& flag : row_->flags) names.push_back(flag.name);
    for (const Node* item : items) {
      const auto found = std::ranges::find(row_->flags, item->text, &CallFlag::name);
      if (found == row_->flags.end()) {
        add(Problem::kUnknownValue, item->at,
            fmt::format("{}: unknown \"{}\"", key.name, item->text),
            did_you_mean(item->text, names), fmt::format("known: {}", fmt::join(names, ", ")));
        return;
      }
      call_.flags |= found->value;
    }
  }

  void bind_gives(const Node& node) {
    if (node.kind != Kind::kMap || call_.row == nullptr) {
      add(Problem::kWrongType, node.at, "gives: a mapping of fields of a known ioctl");
      return;
    }
    for (std::size_t i = 0; i < node.keys.size() && good_; ++i) {
      const uapi::IoctlField* field = uapi::field_of(*call_.row, node.keys[i].text);
      if (field == nullptr) {
        std::vector<std::string_view> names;
        for (const uapi::IoctlField& known : call_.row->fields) names.push_back(known.name);
        add(Problem::kUnknownKey, node.keys[i].at,
            fmt::format("{} has no \"{}\"", call_.row->name, node.keys[i].text),
            did_you_mean(node.keys[i].text, names),
            fmt::format("fields: {}", fmt::join(names, ", ")));
        return;
      }
      call_.gives.push_back({field, field_value(*field, node.items[i])});
    }
  }

  void bind_memory(const Node& node) {
    const std::string text = scalar(node, "argument");
    if (text == "read-only") {
      call_.memory = vmm::ArgumentMemory::kReadOnly;
    } else if (text == "unmapped") {
      call_.memory = vmm::ArgumentMemory::kUnmapped;
    } else if (good_ && text != "writable") {
      add(Problem::kUnknownValue, node.at, fmt::format("argument: unknown \"{}\"", text), "",
          "choices: writable, read-only, unmapped");
    }
  }

  void bind_errno(const Node& node) {
    const std::string text = scalar(node, "fails");
    call_.fails = linux::errno_by_name(text);
    if (good_ && !call_.fails) {
      add(Problem::kUnknownValue, node.at, fmt::format("unknown errno \"{}\"", text),
          did_you_mean(text, linux::errno_names()));
    }
  }

  void bind_child(const Node& node);

  // What concerns several keys.
  void check_whole() {
    for (const CallKey& key : row_->keys) {
      if (key.required && node_.find(key.name) == nullptr) {
        add(Problem::kMissingKey, node_.at, fmt::format("key \"{}\" is missing", key.name), "",
            fmt::format("{}: {}", key.name, key.text));
      }
    }
    if (call_.fails && (!call_.as.empty() || call_.returns || call_.blocks)) {
      add(Problem::kConflict, node_.at, "a call that fails has no result");
    }
    if (call_.repeat > 1 && !call_.as.empty() && call_.as.find("%i") == std::string::npos) {
      add(Problem::kConflict, node_.find("as")->at, "every repetition has the same name",
          fmt::format("{}%i", call_.as));
    }
    const bool luo = call_.row != nullptr && (call_.row->target == uapi::IoctlTarget::kLiveUpdate ||
                                              call_.row->target == uapi::IoctlTarget::kSession);
    if (call_.memory == vmm::ArgumentMemory::kReadOnly && !luo) {
      add(Problem::kNotBuilt, node_.find("argument")->at,
          "argument: read-only memory is seen by requests to LUO alone");
    }
    const bool writes = call_.kind == vmm::CallKind::kWrite ||
                        call_.kind == vmm::CallKind::kPwrite || call_.kind == vmm::CallKind::kStore;
    if (writes && !call_.content) {
      add(Problem::kMissingKey, node_.at, "nothing to write", "", "text: or bytes:");
    }
    if (node_.find("text") != nullptr && node_.find("bytes") != nullptr) {
      add(Problem::kConflict, node_.find("bytes")->at, "text and bytes are both given");
    }
    check_access();
  }

  // Loads and stores.
  void check_access() {
    if (const Node* width = node_.find("width")) {
      const auto bytes = vmm::number_of(width->text);
      if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) {
        add(Problem::kOutOfRange, width->at, "width: 1, 2, 4 or 8");
      }
    }
    const Node* stride = node_.find("stride");
    if (stride != nullptr && call_.repeat == 1) {
      add(Problem::kConflict, stride->at, "a stride is for calls that are repeated");
    }
    const bool compares = call_.kind == vmm::CallKind::kCompare;
    if (!compares && call_.kind != vmm::CallKind::kFill) return;
    const auto contents = std::ranges::count_if(node_.keys, [](const Node::Key& key) {
      return key.text == "value" || key.text == "pattern" || key.text == "with";
    });
    if (contents != 1) {
      add(Problem::kConflict, node_.at, "it has one content", "",
          compares ? "value:, pattern: or with:" : "value: or pattern:");
    }
    if (node_.find("at") != nullptr && node_.find("with") == nullptr) {
      add(Problem::kConflict, node_.find("at")->at, "at is a place in what with names");
    }
  }

  const Node& node_;
  Scope& scope_;
  unsigned depth_;
  Diagnostics& diagnostics_;
  const CallRow* row_ = nullptr;
  vmm::ScriptCall call_;
  bool good_ = true;
};

std::vector<vmm::ScriptCall> bind_calls(const Node& list, Scope& scope, unsigned depth,
                                        Diagnostics& diagnostics) {
  std::vector<vmm::ScriptCall> calls;
  for (const Node& item : list.items) {
    if (auto call = CallBinder(item, scope, depth, diagnostics).bind()) {
      calls.push_back(*std::move(call));
    } else {
      break;  // names that it would have made are missing in all that follow
    }
  }
  return calls;
}

void CallBinder::bind_child(const Node& node) {
  if (node.kind != Kind::kList || depth_ == kMostForks) {
    add(Problem::kWrongType, node.at,
        depth_ == kMostForks ? "forks are nested too deeply" : "calls: a list is expected");
    return;
  }
  Scope inherited = scope_;
  const std::size_t problems = diagnostics_.size();
  call_.child = bind_calls(node, inherited, depth_ + 1, diagnostics_);
  good_ = good_ && diagnostics_.size() == problems;
  scope_.processes = inherited.processes;
}

std::size_t reboots_in(const std::vector<vmm::ScriptCall>& calls) {
  std::size_t count = 0;
  for (const vmm::ScriptCall& call : calls) {
    if (call.kind == vmm::CallKind::kReboot && !call.fails && !call.blocks) ++count;
    count += reboots_in(call.child);
  }
  return count;
}

bool creates_session(const std::vector<vmm::ScriptCall>& calls, std::string_view name) {
  return std::ranges::any_of(calls, [name](const vmm::ScriptCall& call) {
    const bool creates = call.row != nullptr && call.row->name == "LIVEUPDATE_IOCTL_CREATE_SESSION";
    return creates_session(call.child, name) ||
           (creates && std::ranges::any_of(call.fields, [name](const vmm::ScriptField& field) {
              return field.field->name == "name" && field.value == name;
            }));
  });
}

// A device is watched by the name of the session that hands it over: one that nobody creates would
// be watched by nobody.
void check_sessions(const Scenario& scenario, Diagnostics& diagnostics) {
  for (const AddedDevice& device : scenario.machine.add) {
    const std::string& session = device.session;
    if (session.empty() || std::ranges::any_of(scenario.processes, [&](const auto& process) {
          return creates_session(process.calls, session);
        })) {
      continue;
    }
    diagnostics.add(Problem::kUnknownName, device.at,
                    fmt::format("{}: no process creates the session \"{}\"", device.name, session),
                    "LIVEUPDATE_IOCTL_CREATE_SESSION with this name, letter by letter");
  }
}

}  // namespace

std::size_t reboots_of(const std::vector<vmm::ScriptProcess>& processes) {
  std::size_t count = 0;
  for (const vmm::ScriptProcess& process : processes) count += reboots_in(process.calls);
  return count;
}

void bind_processes(const Node& root, Scenario& scenario, Diagnostics& diagnostics) {
  const View list(root.find("processes"), "processes", root.at);
  std::map<unsigned, Scope> scopes;  // of each kernel: processes alone
  for (const View& item : list.items()) {
    vmm::ScriptProcess process;
    process.name = item.key("name").text();
    process.kernel = static_cast<unsigned>(item.key("kernel").number());
    process.at = item.key("at").duration();
    process.place = {item.at().line, item.at().column};
    Scope& scope = scopes[process.kernel];
    scope.results.clear();
    if (!scope.processes.insert(process.name).second) {
      diagnostics.add(Problem::kDuplicateName, item.key("name").at(),
                      fmt::format("two processes of kernel {} are called \"{}\"", process.kernel,
                                  process.name));
    }
    process.calls = bind_calls(*item.key("calls").node(), scope, 0, diagnostics);
    scenario.processes.push_back(std::move(process));
  }
  check_sessions(scenario, diagnostics);
  for (std::size_t i = 0; i < scenario.processes.size() && diagnostics.empty(); ++i) {
    if (scenario.processes[i].kernel < scenario.generations()) continue;
    const View kernel = list.items()[i].key("kernel");
    diagnostics.add(Problem::kConflict, kernel.at(),
                    fmt::format("kernel {} never starts", scenario.processes[i].kernel),
                    "nothing in the script reboots that often");
  }
}

}  // namespace baton::harness

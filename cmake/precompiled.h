// The heavy headers that most of the model includes, parsed once: Asio's coroutine types above all.
// Every file still names what it uses.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/actor.h"

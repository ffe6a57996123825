// The course of a run, drawn to scale: kernels, guests, the rate at which devices write to memory;
// below it the phases as a strip of links, each of which selects what the rest of the page shows.
#include <algorithm>
#include <map>
#include <vector>

#include "harness/report/html_sections.h"
#include "harness/report/html_writer.h"

namespace baton::harness {
namespace {

constexpr int kWidth = 1180;
constexpr int kLeft = 92;  // room for names
constexpr int kRowHeight = 26;
constexpr int kRowGap = 10;
constexpr int kCurveHeight = 64;

// From simulated time to the figure, in tenths of a unit, so that no floating point is needed.
class Scale {
 public:
  Scale(sim::Time from, sim::Time to)
      : from_(from), length_(std::max<std::int64_t>(1, (to - from).ps())) {}

  sim::Time from() const { return from_; }
  std::int64_t tenths(sim::Time at) const {
    const std::int64_t part = std::clamp<std::int64_t>((at - from_).ps(), 0, length_);
    const std::int64_t span = (kWidth - kLeft) * 10;
    // Thousandths of the length first: picoseconds of a long run times the width would overflow.
    return kLeft * 10 + part / 1000 * span / std::max<std::int64_t>(1, length_ / 1000);
  }
  std::string x(sim::Time at) const { return text(tenths(at)); }
  std::string width(sim::Time a, sim::Time b) const {
    return text(std::max<std::int64_t>(8, tenths(b) - tenths(a)));
  }
  bool shows(sim::Time to) const { return to > from_; }

  static std::string text(std::int64_t tenths) {
    return fmt::format("{}.{}", tenths / 10, tenths % 10);
  }

 private:
  sim::Time from_;
  std::int64_t length_;
};

// The first boot is not part of the story: the figure begins shortly before user space opens.
sim::Time start_of(const RunResult& result) {
  const auto first = std::ranges::find(result.phases, "run", &PhaseRow::name);
  if (first == result.phases.end()) return sim::Time();
  const sim::Duration margin = (result.end - first->from) / 20;
  return std::max(sim::Time(), first->from - margin);
}

std::string phase_title(const PhaseRow& row) {
  return fmt::format("{} (kernel {}), {} from {}", row.name, row.generation,
                     sim::to_string(row.to - row.from), sim::to_string(row.from));
}

class Figure {
 public:
  Figure(const RunResult& result, const std::string& id)
      : result_(result), id_(id), scale_(start_of(result), result.end) {}

  std::string draw() {
    draw_kernels();
    if (result_.record) {
      draw_guests();
      draw_curves();
    }
    const int bottom = y_;
    draw_axis(bottom);
    draw_wrong(bottom);
    Html html;
    html.add("<svg class=\"figure\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{}-fig\">",
             kWidth, bottom + 26, id_);
    html.add("<title id=\"{}-fig\">", id_);
    html.t("Kernels, guests and device writes over simulated time; the table of phases follows");
    html.raw("</title>").raw(shades_.take()).raw(body_.take()).raw("</svg>");
    return html.take();
  }

 private:
  void name(std::string_view text, int y) {
    body_.add("<text class=\"name\" x=\"{}\" y=\"{}\" text-anchor=\"end\">", kLeft - 10, y);
    body_.t(text).raw("</text>");
  }

  void draw_kernels() {
    name("kernel", y_ + 17);
    for (std::size_t i = 0; i < result_.phases.size(); ++i) {
      const PhaseRow& row = result_.phases[i];
      if (!scale_.shows(row.to)) continue;
      const std::int64_t width = scale_.tenths(row.to) - scale_.tenths(row.from);
      body_.add("<a href=\"#{}-phase-{}\"><rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" ", id_,
                i, phase_style(row), scale_.x(row.from), y_, scale_.width(row.from, row.to));
      body_.add("height=\"{}\" rx=\"2\"><title>", kRowHeight).t(phase_title(row));
      body_.raw("</title></rect>");
      const std::string label = fmt::format("{} {}", row.generation, row.name);
      if (width > static_cast<std::int64_t>(label.size()) * 72) {
        body_.add("<text class=\"in\" x=\"{}\" y=\"{}\">",
                  Scale::text(scale_.tenths(std::max(row.from, scale_.from())) + 60), y_ + 17);
        body_.t(label).raw("</text>");
      }
      body_.raw("</a>");
    }
    y_ += kRowHeight + kRowGap;
  }

  void draw_guests() {
    std::map<std::string, int> rows;
    for (const GuestSpan& span : result_.record->guests) {
      if (!rows.contains(span.vm)) {
        rows.emplace(span.vm, y_);
        name(span.vm, y_ + 17);
        y_ += kRowHeight + kRowGap;
      }
      const int y = rows.at(span.vm);
      const std::string what = fmt::format("{} {}", span.paused ? "paused" : "runs",
                                           sim::to_string(span.to - span.from));
      body_.add("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"2\"><title>",
                span.paused ? "paused" : "runs", scale_.x(span.from), y,
                scale_.width(span.from, span.to), kRowHeight);
      body_.t(fmt::format("{} {}", span.vm, what)).raw("</title></rect>");
      const std::int64_t middle = (scale_.tenths(span.from) + scale_.tenths(span.to)) / 2;
      if (scale_.tenths(span.to) - scale_.tenths(span.from) > 900) {
        body_.add("<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">",
                  span.paused ? "pausetext" : "in", Scale::text(middle), y + 17);
        body_.t(what).raw("</text>");
      }
      if (span.paused) pauses_.push_back(&span);
    }
  }

  void draw_curves() {
    for (const DmaCurve& curve : result_.record->dma) draw_curve(curve);
    for (const GuestSpan* pause : pauses_) {
      shades_.add("<rect class=\"shade\" x=\"{}\" y=\"0\" width=\"{}\" height=\"{}\"/>",
                  scale_.x(pause->from), scale_.width(pause->from, pause->to), y_);
    }
  }

  // One column of the figure is the mean of the windows that fall into it.
  void draw_curve(const DmaCurve& curve) {
    constexpr std::int64_t kColumn = 20;  // tenths
    std::map<std::int64_t, std::pair<std::uint64_t, std::uint64_t>> columns;
    for (std::size_t i = 0; i < window_count(); ++i) {
      const sim::Time at = sim::Time() + Curves::kWindow * static_cast<std::int64_t>(i);
      if (at < scale_.from()) continue;
      auto& [sum, count] = columns[scale_.tenths(at) / kColumn * kColumn];
      sum += i < curve.bytes.size() ? curve.bytes[i] : 0;
      ++count;
    }
    std::uint64_t most = 1;
    for (const auto& [x, column] : columns) most = std::max(most, column.first / column.second);
    const int base = y_ + kCurveHeight;
    std::string line;
    for (const auto& [x, column] : columns) {
      const std::uint64_t mean = column.first / column.second;
      const auto height = static_cast<std::int64_t>(mean * (kCurveHeight - 12) * 10 / most);
      line += fmt::format("{}{},{}", line.empty() ? "" : " ", Scale::text(x),
                          Scale::text(base * 10 - height));
    }
    name(curve.device, y_ + 20);
    body_.add("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">writes</text>", kLeft - 10, y_ + 35);
    if (!columns.empty()) {
      const std::string first = Scale::text(columns.begin()->first);
      const std::string last = Scale::text(columns.rbegin()->first);
      body_.add("<polygon class=\"dma\" points=\"{},{} {} {},{}\"/>", first, base, line, last,
                base);
      body_.add("<polyline class=\"dmaline\" points=\"{}\"/>", line);
    }
    const auto per_second =
        static_cast<std::uint64_t>(sim::Duration::seconds(1).ps() / Curves::kWindow.ps());
    body_.add("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">", kWidth - 4, y_ + 8);
    body_.t(fmt::format("up to {}/s", format_bytes(most * per_second))).raw("</text>");
    body_.add("<line class=\"axis\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>", kLeft, kWidth, base,
              base);
    y_ += kCurveHeight + kRowGap;
  }

  std::size_t window_count() const {
    return static_cast<std::size_t>(((result_.end - sim::Time()).ps() + Curves::kWindow.ps() - 1) /
                                    Curves::kWindow.ps());
  }

  // Some ten ticks at round times.
  void draw_axis(int bottom) {
    const sim::Duration length = result_.end - scale_.from();
    sim::Duration step = sim::Duration::microseconds(1);
    for (int i = 0; length / std::max<std::int64_t>(1, step.ps()) > sim::Duration::picoseconds(10);
         ++i) {
      step = step * (i % 3 == 1 ? 5 : 2);
      if (i % 3 == 1) step = step / 2;
    }
    std::int64_t tick = (scale_.from() - sim::Time()).ps() / step.ps() + 1;
    for (;; ++tick) {
      const sim::Time at = sim::Time() + step * tick;
      if (at > result_.end) break;
      const std::string x = scale_.x(at);
      body_.add("<line class=\"axis\" x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\"/>", x, bottom - 6,
                bottom);
      // A label at the edge would be cut.
      if (scale_.tenths(at) > (kWidth - 30) * 10) continue;
      body_.add("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">", x, bottom + 14);
      body_.t(sim::to_string(at)).raw("</text>");
    }
  }

  // Where each invariant was first violated.
  void draw_wrong(int bottom) {
    std::vector<std::string> drawn;
    for (const Violation& violation : result_.violations) {
      if (std::ranges::find(drawn, violation.id) != drawn.end()) continue;
      drawn.push_back(violation.id);
      body_.add("<line class=\"wrong\" x1=\"{0}\" x2=\"{0}\" y1=\"0\" y2=\"{1}\"><title>",
                scale_.x(violation.time), bottom);
      body_.t(fmt::format("{} violated at {}", violation.id, sim::to_string(violation.time)));
      body_.raw("</title></line>");
      const bool left = scale_.tenths(violation.time) > kWidth * 7;
      const std::int64_t x = scale_.tenths(violation.time) + (left ? -60 : 60);
      body_.add("<text class=\"wrongtext\" x=\"{}\" y=\"{}\"{}>", Scale::text(x),
                bottom - 8 - 14 * static_cast<int>(drawn.size() - 1),
                left ? " text-anchor=\"end\"" : "");
      body_.t(violation.id).raw("</text>");
    }
  }

  const RunResult& result_;
  const std::string& id_;
  Scale scale_;
  Html shades_;  // behind everything
  Html body_;
  int y_ = 0;
  std::vector<const GuestSpan*> pauses_;
};

void strip(Html& html, const RunResult& result, const std::string& id) {
  html.raw("<ol class=\"strip\" aria-label=\"Phases; a click selects what is shown below\">");
  for (std::size_t i = 0; i < result.phases.size(); ++i) {
    const PhaseRow& row = result.phases[i];
    const std::string place = fmt::format("{}-phase-{}", id, i);
    html.add("<li><a id=\"{0}\" href=\"#{0}\" class=\"{1}\" data-from=\"{2}\" data-to=\"{3}\" ",
             place, phase_style(row), row.from.ps(), row.to.ps());
    html.raw("data-name=\"").t(fmt::format("{} (kernel {})", row.name, row.generation));
    html.raw("\"><b>").t(row.name).raw("</b>");
    html.add("<span class=\"long\">{}</span>", sim::to_string(row.to - row.from));
    html.add("<span>kernel {}</span>", row.generation);
    html.add("<span>from {}</span>", sim::to_string(row.from));
    html.add("<span>{} written</span>", format_bytes(row.dma_bytes));
    if (row.dma_refused != 0) {
      html.add("<span class=\"no\">{} refused</span>", row.dma_refused);
    }
    html.raw("</a></li>");
  }
  html.raw("</ol>");
}

}  // namespace

std::string phase_style(const PhaseRow& row) {
  if (row.name == "kexec" || row.name == "reset" || row.name == "halted") return "gap";
  return fmt::format("k{}", row.generation % 4);
}

std::string html_story(const RunResult& result, const std::string& id) {
  Html html;
  html.add("<section id=\"{}-story\"><h3>What happened</h3><p class=\"lead\">", id);
  html.t("Drawn to scale, from the moment the first kernel opens for user space. ");
  for (const Measurement& measurement : result.measurements) {
    if (measurement.id == "guest_pause") {
      html.raw("Longest guest pause: <strong>").t(format_measurement(measurement));
      html.raw("</strong>. ");
    }
    if (measurement.id == "dma_bytes_without_kernel") {
      html.raw("Written by devices while no kernel was there to help: <strong>");
      html.t(format_measurement(measurement)).raw("</strong>.");
    }
  }
  html.raw("</p>").raw(Figure(result, id).draw());
  strip(html, result, id);
  html.raw("<p class=\"filterline\" role=\"status\"><span></span>");
  html.raw("<button type=\"button\">Show all phases</button></p></section>");
  return html.take();
}

}  // namespace baton::harness

// The overview's charts, drawn by uPlot from the table of the same numbers that is in the page.
"use strict";

(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colours = ["--chart-1", "--chart-2", "--chart-3"];
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const doublings = Array.from({ length: 60 }, (_, power) => 2 ** power);
  let drawn = [];

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function words(unit, language) {
    const written = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
    return (value) => {
      if (value == null) return "–";
      if (unit !== "B") return written.format(value) + (unit ? ` ${unit}` : "");
      const power = value > 0 ? Math.min(Math.floor(Math.log2(value) / 10), units.length - 1) : 0;
      return `${written.format(value / 2 ** (10 * power))} ${units[power]}`;
    };
  }

  function chart(place) {
    const rows = [...document.querySelectorAll("#points tbody tr")];
    const heads = document.querySelectorAll("#points thead th");
    const columns = place.dataset.chart.split(",").map(Number);
    const told = words(place.dataset.unit, place.dataset.language);
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const series = columns.map((column, number) => ({
      label: heads[column].textContent,
      stroke: colour(colours[number]),
      dash: [[], [6, 3], [2, 3]][number],
      width: 2,
      spanGaps: false,
      points: { show: false },
      value: (_, value) => told(value),
    }));
    const values = columns.map((column) => rows.map((row) => {
      const given = row.children[column].dataset.n;
      return given === undefined ? null : Number(given);
    }));
    const at = rows.map((row) => Date.parse(row.children[0].dataset.at) / 1000);
    const options = {
      width: Math.max(place.clientWidth, 200),
      height: 180,
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [
        { ...axis, size: 30, space: 60, values: times },
        { ...axis, size: 75, incrs: place.dataset.unit === "B" ? doublings : undefined, values: (_, splits) => splits.map(told) },
      ],
      series: [{ label: heads[0].textContent, value: (_, value) => (value == null ? "–" : moment(value)) }, ...series],
      cursor: { drag: { x: false, y: false } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    };
    return new uPlot(options, [at, ...values], place);
  }

  function moment(seconds) {
    return new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "short", timeStyle: "short", timeZone: "UTC" })
      .format(seconds * 1000);
  }

  function times(_, splits, axis, space, step) {
    const shape = step >= 86400 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const written = new Intl.DateTimeFormat(document.documentElement.lang, { ...shape, timeZone: "UTC" });
    return splits.map((seconds) => written.format(seconds * 1000));
  }

  function draw() {
    for (const one of drawn) one.destroy();
    drawn = [...document.querySelectorAll("[data-chart]")].map(chart);
  }

  let waits;
  function drawSoon() {
    clearTimeout(waits);
    waits = setTimeout(draw, 100);
  }

  let wasOpen = false;
  document.addEventListener("htmx:beforeSwap", () => { wasOpen = document.getElementById("numbers")?.open; });
  document.addEventListener("htmx:afterSwap", () => {
    const numbers = document.getElementById("numbers");
    if (numbers && wasOpen) numbers.open = true;
    draw();
  });
  addEventListener("resize", drawSoon);
  dark.addEventListener("change", drawSoon);
  draw();
})();

// Draws what came in and went out, minute by minute, in the colours of the page.

const place = document.getElementById("rates");
let plot = null;
let data = null;

const colour = (name) => {
  const probe = document.createElement("span");
  probe.className = name;
  place.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

function draw() {
  plot?.destroy();
  const line = getComputedStyle(place).color;
  const axis = { stroke: line, grid: { stroke: line, width: 0.3 }, ticks: { stroke: line, width: 0.3 } };
  const bars = uPlot.paths.bars({ size: [0.8, 12] });
  const whole = (_, values) => values.map((value) => (Number.isInteger(value) ? value : ""));
  const options = {
    width: Math.max(200, place.clientWidth),
    height: 200,
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_, low, high) => [0, Math.max(high, 1)] } },
    series: [
      { label: "Minute", value: "{HH}:{mm}" },
      { label: "Received", stroke: colour("received"), fill: colour("received"), paths: bars, points: { show: false } },
      { label: "Delivered", stroke: colour("delivered"), width: 2, dash: [5, 3], points: { show: false } },
    ],
    axes: [{ ...axis, values: "{HH}:{mm}" }, { ...axis, values: whole, size: 45 }],
  };
  plot = new uPlot(options, data, place);
}

async function fetchRates() {
  const answer = await fetch(place.dataset.from);
  if (!answer.ok) return;
  const { times, received, delivered } = await answer.json();
  data = [times, received, delivered];
  if (plot) plot.setData(data);
  else draw();
}

if (place) {
  document.body.addEventListener("hilum:change", () => fetchRates().catch(() => {}));
  document.addEventListener("hilum:colours", draw);
  new ResizeObserver(() => plot?.setSize({ width: Math.max(200, place.clientWidth), height: 200 })).observe(place);
  fetchRates().catch(() => {});
}

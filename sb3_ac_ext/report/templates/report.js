(() => {
  "use strict";
  const charts = JSON.parse(document.getElementById("chart-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)");

  // Colours arrive as tokens, so that one set of data serves both themes.
  const themed = (node, style, key = "") => {
    if (Array.isArray(node)) return node.map((item) => themed(item, style, key));
    if (node && typeof node === "object") {
      return Object.fromEntries(
        Object.entries(node).map(([name, item]) => [name, themed(item, style, name)]),
      );
    }
    const token = typeof node === "string" && node[0] === "@" && key.includes("color");
    return token ? style.getPropertyValue("--" + node.slice(1)).trim() : node;
  };

  const layout = (own, style) => {
    const ink = (name) => style.getPropertyValue(name).trim();
    return {
      ...own,
      autosize: true,
      showlegend: false,
      margin: { l: 44, r: 10, t: 18, b: 28 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      dragmode: coarse.matches ? false : "zoom",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink("--ink-soft") },
      hoverlabel: {
        bgcolor: ink("--surface"),
        bordercolor: ink("--axis"),
        font: { color: ink("--ink"), size: 12 },
        align: "left",
      },
    };
  };

  const draw = (element) => {
    const chart = charts[element.id];
    const style = getComputedStyle(document.documentElement);
    element.dataset.drawn = "yes";
    return Plotly.react(element, themed(chart.data, style), layout(themed(chart.layout, style), style), {
      responsive: true,
      displayModeBar: false,
    });
  };

  // The plots near the window come first; the rest follow while the browser is idle.
  const waiting = new Set(document.querySelectorAll(".plot"));
  const visible = (element) => element.clientWidth > 0;
  const drawOnce = (element) => {
    if (waiting.has(element) && visible(element)) {
      waiting.delete(element);
      watcher.unobserve(element);
      draw(element);
    }
  };
  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => drawOnce(entry.target)),
    { rootMargin: "600px" },
  );
  waiting.forEach((element) => watcher.observe(element));
  const idle = window.requestIdleCallback ?? ((task) => setTimeout(task, 30));
  const drawRest = () => {
    const next = [...waiting].find(visible);
    if (!next) return;
    drawOnce(next);
    idle(drawRest);
  };
  idle(drawRest);
  document.querySelectorAll("details").forEach((details) =>
    details.addEventListener("toggle", () => idle(drawRest)),
  );
  addEventListener("beforeprint", () => waiting.forEach(drawOnce));

  dark.addEventListener("change", () =>
    document.querySelectorAll(".plot[data-drawn]").forEach(draw),
  );

  // The navigation follows the reader.
  const links = new Map(
    [...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]),
  );
  const sections = [...document.querySelectorAll("main > section")];
  let current = null;
  const follow = () => {
    const edge = innerHeight * 0.3;
    const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
    const passed = sections.filter((part) => part.getBoundingClientRect().top <= edge);
    const here = (atEnd ? sections.at(-1) : (passed.at(-1) ?? sections[0])).id;
    if (here === current) return;
    links.get(current)?.removeAttribute("aria-current");
    current = here;
    const link = links.get(here);
    link.setAttribute("aria-current", "true");
    const bar = link.closest("ul");
    bar.scrollLeft = link.offsetLeft - bar.offsetLeft - bar.clientWidth / 2 + link.clientWidth / 2;
  };
  addEventListener("scroll", () => requestAnimationFrame(follow), { passive: true });
  follow();
})();

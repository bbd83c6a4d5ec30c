(() => {
  "use strict";
  document.documentElement.classList.add("js");

  // tables: a click on a head sorts by it
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => {
          const cell = row.cells[place], value = cell.dataset.value;
          return value === undefined ? cell.textContent : Number(value === "inf" ? Infinity : value);
        };
        const rows = [...body.rows].sort((a, b) => {
          const x = key(a), y = key(b);
          const order = typeof x === "number" && typeof y === "number" ? (x === y ? 0 : x < y ? -1 : 1)
            : String(x).localeCompare(String(y));
          return down ? -order : order;
        });
        body.append(...rows);
      });
    });
  }

  // windows on pictures that hold several frames side by side: a slider moves all of a group together
  const show = (frame) => (image) => {
    image.style.transform = `translateX(${(-100 * frame) / Number(image.dataset.frames)}%)`;
  };
  for (const player of document.querySelectorAll(".player")) {
    const range = player.querySelector("input"), output = player.querySelector("output");
    const button = player.querySelector("button");
    const images = document.querySelectorAll(`.window img[data-group="${CSS.escape(player.dataset.group)}"]`);
    const names = JSON.parse(player.dataset.names);
    let screen = null, frames = [];
    if (player.dataset.screen) {
      const source = document.querySelector(`[data-source="${CSS.escape(player.dataset.group)}"]`);
      frames = [...source.querySelector(".strip").querySelectorAll("img")];
      screen = document.createElement("img");
      screen.className = "screen";
      player.prepend(screen);
    }
    const update = () => {
      images.forEach(show(Number(range.value)));
      if (screen) {
        screen.src = frames[Number(range.value)].src;
        screen.alt = frames[Number(range.value)].alt;
      }
      output.textContent = names[Number(range.value)];
    };
    range.addEventListener("input", update);
    let timer = 0, step = 1;
    button.addEventListener("click", () => {
      if (timer) { clearInterval(timer); timer = 0; button.textContent = "Play"; return; }
      button.textContent = "Stop";
      timer = setInterval(() => {
        const next = Number(range.value) + step;
        if (next < 0 || next > Number(range.max)) step = -step;
        range.value = String(Number(range.value) + step);
        update();
      }, 220);
    });
    update();
  }

  // rows that belong together scroll together
  for (const rows of document.querySelectorAll(".rows")) {
    const strips = [...rows.querySelectorAll(".strip")];
    for (const strip of strips) {
      strip.addEventListener("scroll", () => {
        for (const other of strips) if (other.scrollLeft !== strip.scrollLeft) other.scrollLeft = strip.scrollLeft;
      }, { passive: true });
    }
  }

  // latents: the particle under the pointer
  const held = document.getElementById("latent-points");
  const plot = document.querySelector(".latents");
  if (held && plot) {
    const { x, y, particle, state, extra } = JSON.parse(held.textContent);
    const svg = plot.querySelector("svg"), tip = plot.querySelector(".tip");
    const ring = svg.querySelector(".ring");
    const box = svg.viewBox.baseVal;
    svg.addEventListener("pointermove", (event) => {
      const area = svg.getBoundingClientRect(), scale = box.width / area.width;
      const px = (event.clientX - area.left) * scale, py = (event.clientY - area.top) * scale;
      let best = -1, least = 14 * 14;
      for (let i = 0; i < x.length; i++) {
        const far = (x[i] - px) ** 2 + (y[i] - py) ** 2;
        if (far < least) { least = far; best = i; }
      }
      ring.setAttribute("visibility", best < 0 ? "hidden" : "visible");
      tip.style.display = best < 0 ? "none" : "block";
      if (best < 0) return;
      ring.setAttribute("cx", x[best]);
      ring.setAttribute("cy", y[best]);
      const lines = [`particle ${particle[best]}`, state[best] < 0 ? "in no state" : `state ${state[best]}`];
      for (const [name, values] of Object.entries(extra)) lines.push(`${name} ${values[best]}`);
      tip.textContent = lines.join("\n");
      const left = x[best] / scale;
      tip.style.left = `${left > area.width / 2 ? left - tip.offsetWidth - 12 : left + 12}px`;
      tip.style.top = `${Math.max(y[best] / scale - 12, 0)}px`;
    });
    svg.addEventListener("pointerleave", () => {
      tip.style.display = "none";
      ring.setAttribute("visibility", "hidden");
    });
  }
})();

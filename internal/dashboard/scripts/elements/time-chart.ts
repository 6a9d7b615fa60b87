// <time-chart name="…">, around a drawing ([data-drawing]), its legend and a
// table of the same figures: the table is drawn again, with a cursor that reads
// it. Each row of the table is a time and its figures (<time>, <data>); each
// head of a column says how it is drawn:
//   data-kind   "bar" (those stand on each other) or "line"
//   data-colour the property of the style that has its colour
//   data-unit   what stands behind a figure; without it they are whole
// By keys the cursor moves, too: arrows, Home and End; Escape takes it away.
import uPlot from "../vendor/uplot-1.6.32/uPlot";

interface Column {
  label: string;
  kind: string;
  colour: string;
  unit: string;
  figures: (number | null)[];
}

const tall = 190; // pixels
const day = 86_400; // seconds
const language = document.documentElement.lang || "en";

// Where the cursor of a chart was, in seconds: what keeps a page up to date
// puts a new element in the place of the old one.
const cursors = new Map<string, number>();

class TimeChart extends HTMLElement {
  private chart: uPlot | undefined;
  private ready = false;
  private times: number[] = [];
  private columns: Column[] = [];
  private says = document.createElement("output");
  private leaving = new AbortController();
  private resized = new ResizeObserver(() => this.resize());

  connectedCallback(): void {
    this.read();
    const drawing = this.querySelector<HTMLElement>("[data-drawing]");
    if (this.times.length < 2 || !drawing || this.chart) return;
    const place = document.createElement("div");
    place.className = "plot";
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", this.getAttribute("label") ?? "");
    this.says.className = "reading";
    drawing.hidden = true;
    drawing.before(this.says, place);
    this.chart = new uPlot(this.options(place), this.data(), place);
    this.listen(place);
    this.resized.observe(this);
  }

  disconnectedCallback(): void {
    this.leaving.abort();
    this.resized.disconnect();
    this.chart?.destroy();
  }

  private name(): string {
    return this.getAttribute("name") ?? "";
  }

  private read(): void {
    const rows = [...this.querySelectorAll<HTMLTableRowElement>("tbody tr")];
    this.times = rows.map((row) => Date.parse(row.querySelector("time")?.dateTime ?? "") / 1000);
    this.columns = [...this.querySelectorAll<HTMLElement>("thead th[data-kind]")].map((head, i) => ({
      label: head.textContent ?? "",
      kind: head.dataset["kind"] ?? "",
      colour: head.dataset["colour"] ?? "--ink",
      unit: head.dataset["unit"] ?? "",
      figures: rows.map((row) => {
        const figure = row.querySelectorAll("data")[i]?.value;
        return figure ? Number(figure) : null;
      }),
    }));
  }

  // data are the figures as they are drawn: the highest bar of a stack first,
  // so that the others stand before it.
  private data(): uPlot.AlignedData {
    const sums = this.times.map(() => 0);
    const drawn = this.columns.map((c) => {
      if (c.kind !== "bar") return c.figures;
      return c.figures.map((n, i) => (sums[i] = (sums[i] ?? 0) + (n ?? 0)));
    });
    return [this.times, ...this.order().map((i) => drawn[i] ?? [])];
  }

  private order(): number[] {
    const of = (kind: string) => this.columns.flatMap((c, i) => (c.kind === kind ? [i] : []));
    return [...of("bar").reverse(), ...of("line")];
  }

  private options(place: HTMLElement): uPlot.Options {
    const style = getComputedStyle(this);
    const colour = (name: string) => () => style.getPropertyValue(name);
    const step = (this.times[1] ?? 0) - (this.times[0] ?? 0);
    const bars = uPlot.paths.bars?.({ size: [0.72, 30], radius: 0.15 });
    const font = `12px ${style.fontFamily}`;
    const axis = { font, stroke: colour("--dim"), ticks: { show: false } };
    return {
      width: Math.max(place.clientWidth, 1),
      height: tall,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false, setScale: false },
        points: { show: false },
        move: (u, left, top) => [left < 0 ? left : Math.round(u.valToPos(this.times[u.posToIdx(left)] ?? 0, "x")), top],
      },
      scales: {
        x: { range: (_, min, max) => [min - step / 2, max + step / 2] },
        y: { range: (_, __, max) => [0, Math.max(max * 1.08, 1)] },
      },
      axes: [
        { ...axis, grid: { show: false }, space: 64, size: 26, values: (_, at) => at.map((t) => this.clock(t, step)) },
        {
          ...axis,
          grid: { stroke: colour("--line"), width: 1 },
          size: 46,
          space: 36,
          incrs: [1, 2, 5].flatMap((n) => [...Array(10).keys()].map((e) => n * 10 ** e)).sort((a, b) => a - b),
          values: (_, at) => at.map((n) => n.toLocaleString(language, { notation: "compact" })),
        },
      ],
      series: [
        {},
        ...this.order().map((i): uPlot.Series => {
          const c = this.columns[i];
          const drawn = colour(c?.colour ?? "--ink");
          if (c?.kind !== "bar") return { stroke: drawn, width: 2, points: { size: 5, fill: drawn } };
          return { fill: drawn, width: 0, points: { show: false }, ...(bars && { paths: bars }) };
        }),
      ],
      hooks: {
        ready: [() => this.begin()],
        setCursor: [(u) => this.tell(u.cursor.idx ?? undefined)],
      },
    };
  }

  // begin puts the cursor where it was.
  private begin(): void {
    const was = cursors.get(this.name());
    this.ready = true;
    this.point(was === undefined ? -1 : this.times.indexOf(was));
    this.tell(this.chart?.cursor.idx ?? undefined);
  }

  private listen(place: HTMLElement): void {
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    place.addEventListener("keydown", (e) => this.key(e), { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.chart?.redraw(false, true), { signal });
  }

  private key(e: KeyboardEvent): void {
    const last = this.times.length - 1;
    const at = this.chart?.cursor.idx ?? undefined;
    const to: Record<string, number> = {
      ArrowLeft: Math.max(0, (at ?? last + 1) - 1),
      ArrowRight: Math.min(last, (at ?? last - 1) + 1),
      Home: 0,
      End: last,
      Escape: -1,
    };
    const i = to[e.key];
    if (i === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    this.point(i);
  }

  // point puts the cursor at a time; -1: nowhere.
  private point(i: number): void {
    const u = this.chart;
    const at = this.times[i];
    u?.setCursor(at === undefined ? { left: -10, top: -10 } : { left: u.valToPos(at, "x"), top: tall / 3 });
  }

  // tell says the figures of a time; without one, those of the latest.
  private tell(i: number | undefined): void {
    if (!this.ready) return;
    const at = i === undefined ? undefined : this.times[i];
    if (at === undefined) cursors.delete(this.name());
    else cursors.set(this.name(), at);
    const shown = i ?? this.times.length - 1;
    const step = (this.times[1] ?? 0) - (this.times[0] ?? 0);
    const figures = this.columns.map((c) => {
      const n = c.figures[shown];
      return `${c.label} ${n === null || n === undefined ? "–" : n.toLocaleString(language) + c.unit}`;
    });
    this.says.value = [this.clock(this.times[shown] ?? 0, step), ...figures].join(" · ");
  }

  private clock(seconds: number, step: number): string {
    const how: Intl.DateTimeFormatOptions = step < day ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : { day: "numeric", month: "short" };
    return new Date(seconds * 1000).toLocaleString(language, { timeZone: "UTC", ...how });
  }

  private resize(): void {
    const width = this.querySelector(".plot")?.clientWidth ?? 0;
    if (this.chart && width > 0 && width !== this.chart.width) this.chart.setSize({ width, height: tall });
  }
}

customElements.define("time-chart", TimeChart);

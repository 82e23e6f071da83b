(() => {
  'use strict';

  const NAMES = ['ink', 'soft', 'grid', 'original', 'compiled', 'error', 'limit', 'span', 'first', 'page', 'line',
    'h0', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'h7', 'h8'];
  const palette = {};
  const drawn = new Set();
  const maps = new Set();
  const fits = new Map();

  function readPalette() {
    const style = getComputedStyle(document.documentElement);
    for (const name of NAMES) palette[name] = style.getPropertyValue('--' + name).trim();
  }

  function recolour() {
    readPalette();
    for (const chart of drawn) {
      fits.get(chart)();
      chart.redraw(false, true);
      markers(chart);
    }
    for (const paint of maps) paint();
  }

  function compact(value) {
    if (value == null) return '-';
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(3);
    return String(Number(value.toPrecision(7)));
  }

  function tickLabels(u, splits, index, space, step) {
    const shown = splits.filter((each) => each != null);
    const peak = Math.max(...shown.map(Math.abs), 0);
    const digits = Math.max(Math.ceil(Math.log10(peak / step)), 0);
    let decimals = Math.min(Math.max(Math.ceil(-Math.log10(step) - 1e-9), 0), 12);
    const unit = step * 10 ** decimals;
    if (Math.abs(unit - Math.round(unit)) > 1e-6) decimals += 1;
    const powers = peak > 0 && (peak < 1e-3 || (peak >= 1e6 && digits < 5));
    return splits.map((each) => {
      if (each == null) return '';
      if (each === 0) return '0';
      return powers ? each.toExponential(Math.min(digits, 4)).replace('e+', 'e') : each.toFixed(decimals);
    });
  }

  function axis(more) {
    const rule = { stroke: () => palette.grid, width: 1 };
    return Object.assign({
      stroke: () => palette.soft,
      font: '11px system-ui, sans-serif',
      labelFont: '11px system-ui, sans-serif',
      grid: rule,
      ticks: { ...rule, size: 4 },
      values: tickLabels,
    }, more);
  }

  function yAxis(more) {
    const size = (u, values) => Math.max(60, 7 * Math.max(0, ...(values || []).map((each) => each.length)) + 14);
    return axis({ size, ...more });
  }

  function line(label, name, more) {
    return Object.assign({
      label,
      name,
      stroke: () => palette[name],
      width: 1.5,
      points: { show: false },
      value: (u, value) => compact(value),
    }, more);
  }

  // uPlot writes the legend's colours once, so a change of scheme has to write them again.
  function markers(u) {
    u.root.querySelectorAll('.u-legend .u-series').forEach((row, i) => {
      const marker = row.querySelector('.u-marker');
      const name = u.series[i] && u.series[i].name;
      if (marker && name) {
        marker.style.borderColor = palette[name];
        marker.style.background = palette[name];
      }
    });
  }

  function marks(data) {
    return {
      drawClear: [(u) => {
        const { ctx, bbox } = u;
        ctx.save();
        ctx.fillStyle = palette.span;
        ctx.beginPath();
        for (const [from, to] of data.spans) {
          const left = Math.max(u.valToPos(from, 'x', true), bbox.left);
          const right = Math.min(u.valToPos(to, 'x', true), bbox.left + bbox.width);
          if (right >= bbox.left && left <= bbox.left + bbox.width) {
            ctx.rect(left - 1, bbox.top, Math.max(right - left, 0) + 2, bbox.height);
          }
        }
        // Filled at once: neighbours that touch must not look twice as bad.
        ctx.fill();
        ctx.restore();
      }],
      draw: [(u) => {
        if (data.first == null) return;
        const { ctx, bbox } = u;
        const x = u.valToPos(data.first, 'x', true);
        if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) return;
        ctx.save();
        ctx.strokeStyle = ctx.fillStyle = palette.first;
        ctx.lineWidth = 1.5 * devicePixelRatio;
        ctx.setLineDash([5 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        ctx.restore();
      }],
    };
  }

  // Zooming one time axis zooms its neighbour.
  function together(group) {
    let busy = false;
    return (u, key) => {
      if (key !== 'x' || busy) return;
      busy = true;
      const { min, max } = u.scales.x;
      for (const peer of group) if (peer !== u) peer.setScale('x', { min, max });
      busy = false;
    };
  }

  function place(parent, title, wide) {
    const box = document.createElement('div');
    box.className = wide ? 'chart wide' : 'chart';
    const heading = document.createElement('h5');
    heading.textContent = title;
    box.append(heading);
    parent.append(box);
    return box;
  }

  function draw(box, label, options, columns) {
    const width = () => Math.max(box.clientWidth, 160);
    const chart = new uPlot({ width: width(), height: 190, ...options }, columns, box);
    drawn.add(chart);
    fits.set(chart, () => {
      const narrow = box.classList.contains('wide') ? 640 : 320;
      const wanted = document.documentElement.classList.contains('printing') ? narrow : width();
      if (Math.abs(chart.width - wanted) > 1) chart.setSize({ width: wanted, height: chart.height });
    });
    markers(chart);
    box.setAttribute('role', 'group');
    box.setAttribute('aria-label', label);
    box.tabIndex = 0;
    box.addEventListener('keydown', (event) => steer(chart, event));
    new ResizeObserver(fits.get(chart)).observe(box);
    return chart;
  }

  function steer(u, event) {
    const x = u.data[0];
    const { min, max } = u.scales.x;
    const at = u.cursor.idx == null ? x.findIndex((each) => each >= (min + max) / 2) : u.cursor.idx;
    const show = (index) => {
      u.setCursor({ left: u.valToPos(x[index], 'x'), top: u.over.clientHeight / 2 }, true, true);
    };
    const move = (step) => show(Math.min(Math.max(at + step, 0), x.length - 1));
    const zoom = (factor) => {
      const half = (max - min) * factor / 2;
      u.setScale('x', { min: Math.max(x[at] - half, x[0]), max: Math.min(x[at] + half, x[x.length - 1]) });
      // uPlot applies a scale in a microtask; the cursor goes back to its point after that.
      queueMicrotask(() => show(at));
    };
    const stride = event.shiftKey ? 10 : 1;
    const actions = {
      ArrowLeft: () => move(-stride),
      ArrowRight: () => move(stride),
      '+': () => zoom(0.5),
      '=': () => zoom(0.5),
      '-': () => zoom(2),
      0: () => u.setScale('x', { min: x[0], max: x[x.length - 1] }),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  function overTime(parent, title, label, data, group, columns, series) {
    const zoomed = together(group);
    const options = {
      height: 210,
      scales: { x: { time: false } },
      axes: [axis({ label: data.axis, labelSize: 16, size: 30 }), yAxis()],
      cursor: { sync: { key: group.key }, drag: { x: true, y: false } },
      series: [{ label: 't', value: (u, value) => (value == null ? '-' : compact(value)) }, ...series],
      hooks: { ...marks(data), setScale: [zoomed] },
    };
    group.push(draw(place(parent, title, true), label, options, columns));
  }

  function histogram(parent, title, label, counts, xLabel, names) {
    if (!counts) {
      parent.append(document.createElement('div'));
      return;
    }
    const { low, high } = counts;
    const width = (high - low) / counts.counts[0].length;
    const centres = counts.counts[0].map((_, i) => low + (i + 0.5) * width);
    const filled = counts.counts.flat().filter((each) => each > 0);
    const most = Math.max(...filled);
    // A single outlier among a million would be invisible on a linear axis.
    const log = most / Math.min(...filled) > 50;
    const columns = counts.counts.map((each) => (log ? each.map((n) => n || null) : each));
    const logLabels = (u, splits) => splits.map((each) => (each == null || each < 1 ? '' : compact(each)));
    const wholeSteps = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5, 6].map((power) => n * 10 ** power));
    const options = {
      height: 210,
      scales: {
        x: { time: false, range: (u, min, max) => (max - min < (high - low) * 0.98 ? [min, max] : [low, high]) },
        y: log ? { distr: 3, range: [0.5, most * 2] } : { range: [0, most * 1.08] },
      },
      axes: [
        axis({ label: xLabel, labelSize: 16, size: 30 }),
        yAxis(log ? { values: logLabels } : { incrs: wholeSteps.sort((a, b) => a - b) }),
      ],
      cursor: { drag: { x: true, y: false } },
      series: [
        { label: 'at', value: (u, value) => compact(value) },
        ...names.map((name) => line(names.length > 1 ? name : 'messages', name, {
          width: 1,
          fill: () => palette[name] + '55',
          paths: uPlot.paths.bars({ size: [1, Infinity], align: 0 }),
        })),
      ],
    };
    draw(place(parent, title + (log ? ' (log axis)' : ''), false), label, options, [centres, ...columns]);
  }

  function errorSeries(data, unit) {
    const columns = [data.error_x.length ? data.error_x : data.x, data.error];
    const name = (data.signed ? 'compiled - original' : 'largest |error|') + unit;
    const series = [line(name, 'error')];
    const band = Array.isArray(data.band) ? data.band : data.error.map(() => data.band);
    const largest = Math.max(...data.error.map((each) => Math.abs(each || 0)));
    const least = Math.min(...band.filter((each) => each != null));
    // A tolerance far beyond the errors would flatten them.
    if (least > 0 && Number.isFinite(least) && least < largest * 20) {
      const dashed = { width: 1, dash: [4, 3] };
      columns.push(band);
      series.push(line('tolerance', 'limit', dashed));
      if (data.signed) {
        columns.push(band.map((each) => (each == null ? null : -each)));
        series.push(line('-tolerance', 'limit', { ...dashed, class: 'unlisted' }));
      }
    }
    if (data.floor != null && data.floor > 0 && data.floor < largest * 20) {
      const dotted = { width: 1.5, dash: [1, 4] };
      columns.push(data.error.map(() => data.floor));
      series.push(line('noise floor', 'soft', dotted));
      if (data.signed) {
        columns.push(data.error.map(() => -data.floor));
        series.push(line('-noise floor', 'soft', { ...dotted, class: 'unlisted' }));
      }
    }
    return [columns, series, name];
  }

  let groups = 0;

  function fill(parent) {
    if (parent.dataset.done) return;
    parent.dataset.done = '1';
    const data = JSON.parse(parent.querySelector('script').textContent);
    const path = parent.dataset.path;
    const unit = parent.dataset.unit ? ', ' + parent.dataset.unit : '';
    const group = [];
    group.key = 'time-' + (groups += 1);
    if (data.x.length) {
      const both = data.compiled.length ? data.compiled : data.original;
      overTime(parent, 'Values' + data.element, `${path}: original and compiled over time, ${data.x.length} of ${data.total} points shown`,
        data, group, [data.x, data.original, both],
        [line('original', 'original', { width: 4, alpha: 0.5 }), line('compiled', 'compiled', { width: 1.5 })]);
    }
    if (data.values) {
      if (!data.x.length) parent.append(document.createElement('div'));
      histogram(parent, 'Distribution of the values', `${path}: histogram of both values`, data.values,
        'value', ['original', 'compiled']);
    }
    if (data.error.length) {
      const [columns, series, name] = errorSeries(data, unit);
      overTime(parent, 'Error' + data.element, `${path}: error over time, ${data.error.length} of ${data.total} points shown`,
        data, group, columns, series);
      histogram(parent, 'Distribution of the errors', `${path}: histogram of the errors`, data.errors,
        data.errors_label || name, ['error']);
    } else {
      const note = document.createElement('p');
      note.className = 'note';
      note.textContent = 'The error is 0 everywhere.';
      parent.append(note);
    }
    if (data.heat) {
      const box = document.createElement('div');
      box.className = 'chart whole';
      const heading = document.createElement('h5');
      heading.textContent = 'Which element is off when, and how far';
      const map = document.createElement('div');
      map.className = 'map';
      box.append(heading, map);
      parent.append(box);
      heatmap(map, `${path}: which element is off when`, data.heat);
    }
  }

  const levels = JSON.parse(document.getElementById('levels').textContent);
  const ROW = 17;

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text != null) made.textContent = text;
    return made;
  }

  function ticks(low, high) {
    const rough = (high - low) / 6;
    if (!(rough > 0)) return [low];
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
    const found = [];
    for (let n = Math.ceil(low / step); n * step <= high; n += 1) found.push(Number((n * step).toPrecision(12)));
    return found;
  }

  function heatmap(parent, label, heat) {
    const count = heat.cells[0].length;
    const table = element('div', 'cells');
    const names = element('div', 'names');
    heat.rows.forEach((row, i) => {
      const link = heat.links && heat.links[i];
      const name = element(link ? 'a' : 'span', '', row);
      if (link) name.href = '#' + link;
      name.title = row;
      names.append(name);
    });
    const plot = element('div', 'plot');
    const canvas = element('canvas');
    const worst = heat.cells.map((each) => Math.max(...Array.from(each, (n) => (n === ' ' ? 0 : Number(n)))));
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', label + '. ' + heat.rows.slice(0, 20).map((row, i) => `${row}: ${levels[worst[i]]}`).join('; '));
    canvas.tabIndex = 0;
    const scale = element('div', 'scale');
    for (const at of ticks(heat.low, heat.high)) {
      const tick = element('span', '', compact(at));
      tick.style.left = 100 * (at - heat.low) / (heat.high - heat.low || 1) + '%';
      scale.append(tick);
    }
    const axisLabel = element('div', 'axis', heat.axis);
    plot.append(canvas, scale, axisLabel);
    table.append(names, plot);
    const legend = element('div', 'legend');
    levels.forEach((name, level) => {
      if (!heat.cells.some((row) => row.includes(String(level)))) return;
      const item = element('span', '', '');
      item.append(element('i', 'h' + level), name);
      legend.append(item);
    });
    const told = element('output', 'note readout', '\u00a0');
    parent.append(table, legend, told);
    let cursor = null;
    const height = heat.rows.length * ROW;
    const paint = () => {
      const width = Math.max(plot.clientWidth, 100);
      const ratio = devicePixelRatio || 1;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = height + 'px';
      const ctx = canvas.getContext('2d');
      const edge = (column) => Math.round(column * canvas.width / count);
      heat.cells.forEach((row, y) => {
        const top = Math.round(y * ROW * ratio);
        const tall = Math.max(Math.round((y + 1) * ROW * ratio) - top - 1, 1);
        for (let from = 0; from < count;) {
          let to = from + 1;
          while (to < count && row[to] === row[from]) to += 1;
          ctx.fillStyle = row[from] === ' ' ? palette.page : palette['h' + row[from]];
          ctx.fillRect(edge(from), top, edge(to) - edge(from), tall);
          from = to;
        }
      });
      if (cursor) {
        ctx.strokeStyle = palette.ink;
        ctx.lineWidth = 2 * ratio;
        const [x, y] = cursor;
        ctx.strokeRect(edge(x), y * ROW * ratio, Math.max(edge(x + 1) - edge(x), 3 * ratio), ROW * ratio - 1);
      }
    };
    const tell = (x, y) => {
      cursor = [Math.min(Math.max(x, 0), count - 1), Math.min(Math.max(y, 0), heat.rows.length - 1)];
      const step = (heat.high - heat.low) / count;
      const from = heat.low + cursor[0] * step;
      const level = heat.cells[cursor[1]][cursor[0]];
      told.textContent = `${heat.rows[cursor[1]]}, ${compact(Number(from.toPrecision(6)))} to ${compact(Number((from + step).toPrecision(6)))}: `
        + (level === ' ' ? 'no message' : levels[level]);
      paint();
    };
    const leave = () => {
      cursor = null;
      told.textContent = '\u00a0';
      paint();
    };
    canvas.addEventListener('mousemove', (event) => {
      tell(Math.floor(event.offsetX / canvas.clientWidth * count), Math.floor(event.offsetY / ROW));
    });
    canvas.addEventListener('mouseleave', leave);
    canvas.addEventListener('blur', leave);
    canvas.addEventListener('keydown', (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const move = moves[event.key];
      if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const [x, y] = cursor || [-1, 0];
      tell(x + move[0], y + move[1]);
    });
    maps.add(paint);
    new ResizeObserver(paint).observe(plot);
    paint();
  }

  function fillMap(parent) {
    if (parent.dataset.done) return;
    parent.dataset.done = '1';
    heatmap(parent, parent.dataset.label, JSON.parse(parent.querySelector('script').textContent));
  }

  function filters() {
    document.querySelectorAll('.filter').forEach((box) => {
      const section = box.closest('.arm');
      const items = section.querySelectorAll('[data-name]');
      const said = box.querySelector('[role=status]');
      box.querySelector('input').addEventListener('input', (event) => {
        const wanted = event.target.value.trim().toLowerCase();
        let shown = 0;
        items.forEach((each) => {
          each.hidden = !each.dataset.name.toLowerCase().includes(wanted);
          if (!each.hidden && each.tagName === 'TR') shown += 1;
        });
        said.textContent = wanted ? `${shown} shown` : '';
      });
    });
  }

  function reveal() {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let each = target; each; each = each.parentElement) if (each.tagName === 'DETAILS') each.open = true;
    target.scrollIntoView();
  }

  readPalette();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', recolour);
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        near.unobserve(entry.target);
        fill(entry.target);
      }
    }
  }, { rootMargin: '400px' });
  document.querySelectorAll('.charts').forEach((each) => near.observe(each));
  document.querySelectorAll('.map[data-label]').forEach(fillMap);
  filters();
  document.addEventListener('toggle', (event) => {
    if (event.target.open) {
      event.target.querySelectorAll('.charts').forEach((each) => { if (!each.dataset.done) near.observe(each); });
    }
  }, true);
  addEventListener('hashchange', reveal);
  addEventListener('beforeprint', () => {
    document.documentElement.classList.add('printing');
    document.querySelectorAll('.charts').forEach((each) => { if (each.checkVisibility()) fill(each); });
    recolour();
  });
  addEventListener('afterprint', () => {
    document.documentElement.classList.remove('printing');
    recolour();
  });
  reveal();
})();

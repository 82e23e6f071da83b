(() => {
  'use strict';

  const NAMES = ['ink', 'soft', 'grid', 'original', 'compiled', 'error', 'limit', 'span', 'first'];
  const palette = {};
  const drawn = new Set();

  function readPalette() {
    const style = getComputedStyle(document.documentElement);
    for (const name of NAMES) palette[name] = style.getPropertyValue('--' + name).trim();
  }

  function recolour() {
    readPalette();
    for (const chart of drawn) {
      chart.redraw(false, true);
      markers(chart);
    }
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
    markers(chart);
    box.setAttribute('role', 'group');
    box.setAttribute('aria-label', label);
    box.tabIndex = 0;
    box.addEventListener('keydown', (event) => steer(chart, event));
    new ResizeObserver(() => {
      if (Math.abs(chart.width - width()) > 1) chart.setSize({ width: width(), height: chart.height });
    }).observe(box);
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
      axes: [axis({ label: 's since ' + data.start, labelSize: 16, size: 30 }), yAxis()],
      cursor: { sync: { key: group.key }, drag: { x: true, y: false } },
      series: [{ label: 't', value: (u, value) => (value == null ? '-' : compact(value) + ' s') }, ...series],
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

  function errorSeries(data) {
    const columns = [data.x, data.error];
    const series = [line(data.original.length ? 'compiled - original' : 'largest |error|', 'error')];
    const limit = data.original.map((each) => (each == null ? null : data.atol + data.rtol * Math.abs(each)));
    const largest = Math.max(...data.error.map((each) => Math.abs(each || 0)));
    const least = Math.min(...limit.filter((each) => each != null));
    // A tolerance far beyond the errors would flatten them.
    if (least > 0 && Number.isFinite(least) && least < largest * 20) {
      const dashed = { width: 1, dash: [4, 3] };
      columns.push(limit, limit.map((each) => (each == null ? null : -each)));
      series.push(line('tolerance', 'limit', dashed), line('-tolerance', 'limit', { ...dashed, class: 'unlisted' }));
    }
    return [columns, series];
  }

  let groups = 0;

  function fill(parent) {
    if (parent.dataset.done) return;
    parent.dataset.done = '1';
    const data = JSON.parse(parent.querySelector('script').textContent);
    const path = parent.dataset.path;
    const shown = `${data.x.length} of ${data.total} points shown`;
    const group = [];
    group.key = 'time-' + (groups += 1);
    if (data.original.length) {
      const both = data.compiled.length ? data.compiled : data.original;
      overTime(parent, 'Values', `${path}: original and compiled over time, ${shown}`, data, group,
        [data.x, data.original, both],
        [line('original', 'original', { width: 2.5 }), line('compiled', 'compiled', { width: 1.2 })]);
      histogram(parent, 'Distribution of the values', `${path}: histogram of both values`, data.values,
        'value', ['original', 'compiled']);
    }
    if (data.error.length) {
      const [columns, series] = errorSeries(data);
      overTime(parent, 'Error', `${path}: error over time, ${shown}`, data, group, columns, series);
      histogram(parent, 'Distribution of the errors', `${path}: histogram of the errors`,
        data.errors, data.original.length ? 'compiled - original' : 'largest |error|', ['error']);
    } else {
      const note = document.createElement('p');
      note.className = 'note';
      note.textContent = 'The error is 0 everywhere.';
      parent.append(note);
    }
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

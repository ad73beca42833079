// Numbers as people read them.

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toPrecision(2)} ${units[unit]}`;
}

export function duration(seconds) {
  if (seconds < 10) return `${Math.max(seconds, 0.1).toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function milliseconds(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : duration(ms / 1000);
}

export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

export function size(width, height) {
  return `${width} × ${height}`;
}

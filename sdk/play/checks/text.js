/** Short enough for a line of a report. */
export function text(value) {
  const all = JSON.stringify(value) ?? "nothing";
  return all.length > 240 ? `${all.slice(0, 240)}…` : all;
}

// The table of what each SDK passes, as Markdown between two markers of a file. A run replaces the rows of the SDKs that it
// played, and leaves those of others as they are.

import { readFileSync, writeFileSync } from "node:fs";

const BEGIN = "<!-- begin conformance matrix -->";
const END = "<!-- end conformance matrix -->";
const HEAD = /^\| SDK \|/;

/** `runs`: what `playAll` gave for each SDK that was played. */
export function writeMatrix(file, runs) {
  const text = readFileSync(file, "utf8");
  const [before, rest] = cut(text, BEGIN, file);
  const [old, after] = cut(rest, END, file);
  writeFileSync(file, `${before}${BEGIN}\n${matrixOf(runs, old)}\n${END}${after}`);
}

/** The table, and below it what was skipped and why; what `old` says of SDKs that are not among `runs` stays. */
export function matrixOf(runs, old = "") {
  const groups = groupsOf(runs);
  const head = ["SDK", ...groups, "all"];
  const rows = new Map(keptRows(old, head).map((row) => [row[0], row]));
  const notes = new Map(keptNotes(old));
  for (const run of runs) {
    const name = `${run.hello.sdk} ${run.hello.version}`;
    for (const known of [...rows.keys(), ...notes.keys()]) if (known.split(" ")[0] === run.hello.sdk) for (const map of [rows, notes]) map.delete(known);
    rows.set(name, [name, ...groups.map((group) => cell(run.results.filter(({ scenario }) => scenario.group === group))), cell(run.results)]);
    notes.set(name, noteOf(run));
  }
  const sorted = (map) => [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...sorted(rows).map(line), "", ...sorted(notes).flat()].join("\n");
}

function groupsOf(runs) {
  return [...new Set(runs.flatMap(({ results }) => results.map(({ scenario }) => scenario)).sort((a, b) => a.order - b.order).map(({ group }) => group))];
}

/** `passed`, and only where there are such, failed and skipped. */
function cell(results) {
  const count = (outcome) => results.filter((result) => result.outcome === outcome).length;
  const [failed, skipped] = [count("failed"), count("skipped")];
  return [`${count("passed")}`, failed > 0 ? `**${failed} failed**` : "", skipped > 0 ? `${skipped} skipped` : ""].filter(Boolean).join(", ");
}

function noteOf({ hello, results }) {
  const reasons = new Map();
  for (const { outcome, why, scenario } of results) {
    if (outcome === "skipped") reasons.set(why, [...(reasons.get(why) ?? []), `\`${scenario.name}\``]);
  }
  const lines = [...reasons].map(([why, names]) => `  - skipped, ${why}: ${names.join(", ")}`);
  return [`- ${hello.sdk} ${hello.version} on ${hello.platform}`, ...lines];
}

function keptRows(old, head) {
  const lines = old.split("\n").filter((line) => line.startsWith("|"));
  const cells = lines.map((line) => line.slice(1, -1).split("|").map((one) => one.trim()));
  // Rows of a table with other groups say nothing about these.
  const isSame = lines.length > 0 && HEAD.test(lines[0]) && cells[0].join() === head.join();
  return isSame ? cells.slice(2) : [];
}

function keptNotes(old) {
  const notes = [];
  for (const line of old.split("\n")) {
    if (line.startsWith("- ")) notes.push([/^- (\S+ \S+)/.exec(line)[1], [line]]);
    else if (line.startsWith("  - ")) notes.at(-1)[1].push(line);
  }
  return notes;
}

function cut(text, marker, file) {
  const parts = text.split(marker);
  if (parts.length !== 2) throw new Error(`${file} has the marker ${marker} ${parts.length - 1} times, not once`);
  return parts;
}

// A reporter for `node --test` that says in one line how it went.

export default async function* summary(events) {
  const counts = { "test:pass": 0, "test:fail": 0 };
  for await (const { type, data } of events) {
    if (type in counts && data.details?.type !== "suite") counts[type] += 1;
  }
  yield `${counts["test:pass"]} passed, ${counts["test:fail"]} failed\n`;
}

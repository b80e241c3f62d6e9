// A bad network, for trying out a game: delays, and connections that break. No part of what players load.

/** For the option `simulate`: the round trip that is added, how much of it varies, about how often it breaks. */
export function badNetwork(kind = {}) {
  return (open, platform) => overNetwork(open, kind, platform);
}

function overNetwork(open, { latencyMs = 0, jitterMs = 0, dropEveryS = 0 }, { now, later, random }) {
  const way = () => {
    const underWay = [];
    let lastAt = 0;
    return (run) => {
      underWay.push(run);
      lastAt = Math.max(lastAt, now() + (latencyMs + random() * jitterMs) / 2);
      // Whatever is late, nothing overtakes: also not where timers for the same moment are not in order.
      later(() => underWay.shift()(), lastAt - now());
    };
  };
  return (token, query, handlers) => {
    const [out, back] = [way(), way()];
    let isOver = false;
    const end = () => {
      isOver = true;
      stop();
    };
    const deliver = (name) => (what) => back(() => {
      if (isOver) return;
      if (name === "ended") end();
      handlers[name](what);
    });
    const link = open(token, query, { received: deliver("received"), ended: deliver("ended") });
    const drop = () => {
      link.end(4000, "simulated");
      handlers.ended({ code: 1006, reason: "simulated", opened: true }, end());
    };
    const stop = dropEveryS > 0 ? later(drop, dropEveryS * 1000 * (0.5 + random())) : () => {};
    return {
      send(text, limit) {
        out(() => isOver || link.send(text, limit));
        return true;
      },
      end(code, reason) {
        end();
        link.end(code, reason);
      },
    };
  };
}

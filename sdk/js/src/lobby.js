// The state of a lobby of the stock scripts (scripts/): what their events change in what `on_snapshot` gave. Opt in with
// `room.reduce(lobbyReducers)`. Names of players and fields are data, whatever they are: also `__proto__`.

/** Who left last, by state: an upgrade tells the old player's leave first. */
const lastLeft = new WeakMap();

export const lobbyReducers = {
  player_joined: inLobby((state, { user_id: id, username }) => {
    const { away: _, ...before } = playerOf(state, id) ?? {};
    put(state.players, id, { ...before, user_id: id, username });
  }),

  player_left: inLobby((state, { user_id: id }) => {
    lastLeft.set(state, playerOf(state, id));
    delete state.players[id];
  }),

  player_away: inLobby((state, { user_id: id }) => change(state, id, { away: true })),

  player_back: inLobby((state, { user_id: id }) => {
    delete playerOf(state, id)?.away;
  }),

  player_moved: inLobby((state, { user_id: id, x, y }) => change(state, id, { x, y })),

  player_upgraded: inLobby((state, { old_id: oldId, user_id: id, username }) => {
    const left = lastLeft.get(state);
    const before = playerOf(state, oldId) ?? (left?.user_id === oldId ? left : {});
    delete state.players[oldId];
    put(state.players, id, { ...before, user_id: id, username });
    if (state.owner === oldId) state.owner = id;
  }),

  state: inLobby((state, { action, payload }) => {
    if (action !== "set" || !isObject(payload) || !isObject(state.state)) return;
    for (const [field, value] of Object.entries(payload)) {
      if (value === null) delete state.state[field];
      else put(state.state, field, value);
    }
  }),
};

/** Other scripts may have states and events of other shapes: those are left alone. */
function inLobby(reducer) {
  return (state, payload) => {
    if (isObject(state?.players) && typeof payload?.user_id === "string") reducer(state, payload);
  };
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function playerOf({ players }, id) {
  return Object.hasOwn(players, id) && isObject(players[id]) ? players[id] : undefined;
}

function change(state, id, more) {
  const player = playerOf(state, id);
  if (player) Object.assign(player, more);
}

/** As a plain assignment would, but for `__proto__`. */
function put(object, name, value) {
  if (name === "__proto__") Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
  else object[name] = value;
}

// The state of a lobby of the stock scripts (scripts/): what their events change in what `on_snapshot` gave. Opt in with
// `room.reduce(lobbyReducers)`. Names of players and fields are data, whatever they are: also `__proto__`.

/** Who left last, by state: an upgrade tells the old player's leave first. */
const lastLeft = new WeakMap();

export const lobbyReducers = {
  player_joined: (state, { user_id: id, username }) => {
    const { away: _, ...before } = playerOf(state, id) ?? {};
    putPlayer(state, id, { ...before, user_id: id, username });
  },

  player_left: (state, { user_id: id }) => {
    lastLeft.set(state, playerOf(state, id));
    delete state.players[id];
  },

  player_away: (state, { user_id: id }) => change(state, id, { away: true }),

  player_back: (state, { user_id: id }) => {
    const { away: _, ...player } = playerOf(state, id) ?? {};
    if (player.user_id !== undefined) putPlayer(state, id, player);
  },

  player_moved: (state, { user_id: id, x, y }) => change(state, id, { x, y }),

  player_upgraded: (state, { old_id: oldId, user_id: id, username }) => {
    const left = lastLeft.get(state);
    const before = playerOf(state, oldId) ?? (left?.user_id === oldId ? left : {});
    delete state.players[oldId];
    putPlayer(state, id, { ...before, user_id: id, username });
    if (state.owner === oldId) state.owner = id;
  },

  state: (state, { action, payload }) => {
    if (action !== "set") return;
    for (const [field, value] of Object.entries(payload)) {
      if (value === null) delete state.state[field];
      else put(state.state, field, value);
    }
  },
};

function playerOf({ players }, id) {
  return Object.hasOwn(players, id) ? players[id] : undefined;
}

function putPlayer(state, id, player) {
  put(state.players, id, player);
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

// The Godra SDK. Made from src/ by `npm run build`: change it there.

// src/lobby.js
var lastLeft = /* @__PURE__ */ new WeakMap();
var lobbyReducers = {
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
  })
};
function inLobby(reducer) {
  return (state, payload) => {
    if (isObject(state?.players) && typeof payload?.user_id === "string") reducer(state, payload);
  };
}
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function playerOf({ players }, id) {
  return Object.hasOwn(players, id) && isObject(players[id]) ? players[id] : void 0;
}
function change(state, id, more) {
  const player = playerOf(state, id);
  if (player) Object.assign(player, more);
}
function put(object, name, value) {
  if (name === "__proto__") Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
  else object[name] = value;
}
export {
  lobbyReducers
};

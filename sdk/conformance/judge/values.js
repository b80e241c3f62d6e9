// What stands for a value in a scenario, replaced when its step is played:
//   "$login", "$login2"    a login of guest:1 with the token and the refresh token of that number
//   {"$login": {"n": 2, "user_id": "42", …}}   one of another user
//   "$token2", "$refresh2" the tokens alone
//   "$url", "$ws_url"      the address of the scenario's server
//   {"$now": ms}           this machine's clock, in milliseconds, and so many more
//   "$http_date"           ten seconds from now, as HTTP writes it
//   "$NAME.path"           a part of what a step with `"as": "NAME"` took
//   {"$text": ["Bearer ", "$token2", {"repeat": "[", "times": 9}]}   a text of such parts

const GUEST = { user_id: "guest:1", username: "Guest", role: "guest", expires_in: 3600 };
const REFERENCE = /^\$([A-Za-z_]\w*)((?:\.\w+)+)$/;

/** `names` holds what steps took; `url` is the server's. */
export function fill(value, { names, url }) {
  const one = (given) => {
    if (typeof given === "string" && given.startsWith("$")) return fillText(given, names, url);
    if (Array.isArray(given)) return given.map(one);
    if (typeof given !== "object" || given === null) return given;
    if (given.$login) return login(one(given.$login));
    if (given.$now !== undefined) return Date.now() + given.$now;
    if (given.$text) return given.$text.map((part) => textOf(one(part))).join("");
    return Object.fromEntries(Object.entries(given).map(([key, entry]) => [key, one(entry)]));
  };
  return one(value);
}

export function login({ n = 1, ...more } = {}) {
  const of = { ...GUEST, ...more };
  return { token: token(n, of), refresh_token: `refresh-${n}`, ...of };
}

/** Has a JWT's shape, as SDKs may look inside. */
function token(n, { user_id, username, role }) {
  const part = (content) => Buffer.from(JSON.stringify(content)).toString("base64url");
  return `${part({ alg: "HS256", typ: "JWT" })}.${part({ user_id, username, role, n })}.${part(`signature ${n}`)}`;
}

/** Whose token of `login` it is; a guest's for others. */
export function ownerOf(given) {
  try {
    const { user_id, username, role } = JSON.parse(Buffer.from(given.split(".")[1], "base64url"));
    return { user_id, username, role };
  } catch {
    const { user_id, username, role } = GUEST;
    return { user_id, username, role };
  }
}

function fillText(text, names, url) {
  const numbered = /^\$(login|token|refresh)(\d*)$/.exec(text);
  if (numbered) {
    const whole = login({ n: Number(numbered[2] || 1) });
    return numbered[1] === "login" ? whole : numbered[1] === "token" ? whole.token : whole.refresh_token;
  }
  if (text === "$http_date") return new Date(Date.now() + 10_000).toUTCString();
  if (text.startsWith("$url")) return url + text.slice("$url".length);
  if (text.startsWith("$ws_url")) return url.replace("http:", "ws:") + text.slice("$ws_url".length);
  const reference = REFERENCE.exec(text);
  if (!reference) return text;
  const [, name, path] = reference;
  if (!names.has(name)) throw new Error(`no step before this one took "${name}"`);
  return path.slice(1).split(".").reduce((from, key) => from?.[key], names.get(name));
}

function textOf(part) {
  return typeof part === "string" ? part : part.repeat.repeat(part.times);
}

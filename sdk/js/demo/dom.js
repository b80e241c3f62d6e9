// The page's elements, found and made.

export const $ = (id) => document.getElementById(id);

/** Children that are text go into the page as text only, never as markup. */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Escape closes the menu, as does a click elsewhere.
const open = () => document.querySelector<HTMLDetailsElement>("details.menu[open]");

document.addEventListener("keydown", (e) => {
  const menu = open();
  if (e.key !== "Escape" || !menu) return;
  menu.open = false;
  menu.querySelector("summary")?.focus();
});

document.addEventListener("click", (e) => {
  const menu = open();
  if (menu && !menu.contains(e.target as Node)) menu.open = false;
});

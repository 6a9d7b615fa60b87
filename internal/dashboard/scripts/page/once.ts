// A press on a button that was pressed just now is one press.
const rest = 3000; // milliseconds
const sent = new WeakSet<HTMLFormElement>();

document.addEventListener("submit", (e) => {
  const form = e.target;
  if (!(form instanceof HTMLFormElement)) return;
  if (sent.has(form)) {
    e.preventDefault();
    return;
  }
  sent.add(form);
  setTimeout(() => sent.delete(form), rest);
});

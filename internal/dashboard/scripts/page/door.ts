// A link that opens once is opened by a person's browser, not by what looks at links.
const door = document.querySelector<HTMLFormElement>("form[data-go]");
if (door && !document.hidden) door.submit();

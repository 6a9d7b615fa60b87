// What every page does beyond reading: all of it is a convenience, and nothing needs it.
import "./page/cards";
import "./page/door";
import "./page/live";
import "./page/menu";
import "./page/once";
import "./elements/again-soon";
import "./elements/copy-text";
import "./elements/count-down";
import "./elements/local-time";

document.documentElement.classList.add("js");

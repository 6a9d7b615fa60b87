// Pages with a list that goes on.
import "./elements/live-list";

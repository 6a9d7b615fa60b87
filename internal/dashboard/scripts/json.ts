// Pages with payloads and bodies.
import "./elements/json-view";

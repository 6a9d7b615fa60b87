// JSON that stands on lines of its own, read line by line: its tokens stay as
// they are, where reading it as values would round numbers and reorder names.

export interface Line {
  name: string | undefined; // the token of a member's name
  text: string; // a scalar's token, or the bracket that opens
  close: string; // the bracket that closes; empty: it is no container
  depth: number;
  parent: number; // the line that it is in; -1: it is the whole
  end: number; // the line after all that is in it
  size: number; // of a container: members or elements
  at: number; // the how-manieth in its container
}

const token = /^"(?:[^"\\]|\\.)*"/;
const plain = /^[A-Za-z_][A-Za-z0-9_]*$/;

// read takes lines as Go's json.Indent writes them.
export function read(text: string): Line[] {
  const lines: Line[] = [];
  const open: number[] = [];
  for (const raw of text.split("\n")) {
    const line = raw.trim().replace(/,$/, "");
    if (line === "}" || line === "]") {
      const from = lines[open.pop() ?? -1];
      if (from) from.end = lines.length;
      continue;
    }
    const parent = open.at(-1) ?? -1;
    const around = lines[parent];
    let name: string | undefined;
    let rest = line;
    if (around?.text === "{") {
      name = token.exec(line)?.[0];
      if (name === undefined) return [];
      rest = line.slice(name.length).replace(/^: /, "");
    }
    const opens = rest === "{" || rest === "[";
    lines.push({
      name,
      text: rest,
      close: rest === "{" ? "}" : rest === "[" ? "]" : "",
      depth: open.length,
      parent,
      end: lines.length + 1,
      size: 0,
      at: around ? around.size++ : 0,
    });
    if (opens) open.push(lines.length - 1);
  }
  return open.length === 0 ? lines : [];
}

// path says where a line is: $.customer.tags[0].
export function path(lines: Line[], i: number): string {
  const line = lines[i];
  if (!line || line.parent < 0) return "$";
  const around = path(lines, line.parent);
  if (line.name === undefined) return `${around}[${line.at}]`;
  const bare = line.name.slice(1, -1);
  return plain.test(bare) ? `${around}.${bare}` : `${around}[${line.name}]`;
}

// source is a line with all that is in it, as it stands in the text, without
// its name.
export function source(lines: Line[], i: number): string {
  const first = lines[i];
  if (!first) return "";
  const write = (k: number, indent: string): string => {
    const line = lines[k];
    if (!line) return "";
    if (!line.close) return line.text;
    const inside: string[] = [];
    for (let n = k + 1; n < line.end; n = lines[n]?.end ?? n + 1) {
      const name = lines[n]?.name;
      inside.push(`${indent}  ${name === undefined ? "" : `${name}: `}${write(n, `${indent}  `)}`);
    }
    return `${line.text}\n${inside.join(",\n")}\n${indent}${line.close}`;
  };
  return write(i, "");
}

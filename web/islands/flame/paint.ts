// The graph on the canvas.
import { shown } from "../text";
import { type Box, each } from "./layout";

export const rowHeight = 20; // px of a level

// paint draws boxes as wide as the canvas' place. searched: what does not match is pale.
export function paint(canvas: HTMLCanvasElement, root: Box, width: number, current: Box | null, searched: boolean): void {
  let levels = 0;
  each(root, (box) => { levels = Math.max(levels, box.level); });
  const height = (levels + 1) * rowHeight;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  if (!context) return;
  const style = getComputedStyle(canvas);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const tones = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => colour(`--t${i}`));
  const ink = colour("--flame-text");
  context.scale(scale, scale);
  context.font = "11.5px " + (colour("--mono") || "monospace");
  context.textBaseline = "middle";
  const letter = context.measureText("m").width;
  each(root, (box) => {
    const x = box.x * width;
    const w = Math.max(0.5, box.width * width - 0.5);
    const y = box.level * rowHeight;
    context.globalAlpha = searched && !box.matched ? 0.35 : 1;
    context.fillStyle = box.stack.id ? tones[tone(box.stack.function ?? "")] ?? "#888" : colour("--sunk");
    context.fillRect(x, y, w, rowHeight - 1);
    context.globalAlpha = 1;
    const room = Math.floor((w - 8) / letter);
    if (room >= 2) {
      const name = box.stack.function ? shown(shortened(box.stack.function), Math.max(1, room - 1)) : "the whole run";
      context.fillStyle = box.stack.id ? ink : colour("--text");
      context.save();
      context.beginPath();
      context.rect(x, y, w, rowHeight);
      context.clip();
      context.fillText(name, x + 4, y + rowHeight / 2);
      context.restore();
    }
    if (box === current) {
      context.strokeStyle = colour("--text");
      context.lineWidth = 2;
      context.strokeRect(x + 1, y + 1, Math.max(1, w - 2), rowHeight - 3);
    }
  });
}

// shortened is a function's name without the folders of its package.
function shortened(name: string): string {
  const paren = name.search(/[(\[]/);
  return name.slice(name.lastIndexOf("/", paren < 0 ? name.length : paren) + 1);
}

// tone is a colour for a function, the same in every graph.
function tone(name: string): number {
  let h = 2166136261;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 16777619) >>> 0;
  return h % 8;
}

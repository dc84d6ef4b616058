"use strict";
// Pixels of the viewer: train ids read back from the palette pictures of the cards, and painted.
const Pixels = (() => {
  const RIGHT = [226, 230, 233];
  const WRONG = [208, 40, 46];
  const FALSE_ALARM = [222, 139, 18];
  const VOID = [70, 74, 80];
  const decoded = new Map(); // frame id -> its pixels; a few of them are kept
  const KEPT = 6;

  function read(image) {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height).data;
  }

  // Colours -> index in the table. Browsers that blur what scripts read get the nearest colour.
  function indices(data, colors) {
    const known = new Map(colors.map(([r, g, b], index) => [(r << 16) | (g << 8) | b, index]));
    const found = new Uint8Array(data.length / 4);
    for (let pixel = 0, at = 0; pixel < found.length; pixel += 1, at += 4) {
      const color = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
      let index = known.get(color);
      if (index === undefined) {
        index = nearest(data[at], data[at + 1], data[at + 2], colors);
        known.set(color, index);
      }
      found[pixel] = index;
    }
    return found;
  }

  function nearest(red, green, blue, colors) {
    let best = 0;
    let least = Infinity;
    colors.forEach(([r, g, b], index) => {
      const distance = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
      if (distance < least) [least, best] = [distance, index];
    });
    return best;
  }

  // Frame, truth and prediction of a card as numbers.
  async function load(card, colors) {
    if (!decoded.has(card.id)) {
      const pictures = [".thumb", ".truth", ".prediction"].map((name) => card.querySelector(name));
      await Promise.all(pictures.map((picture) => picture.decode()));
      const [image, truth, prediction] = pictures.map(read);
      decoded.set(card.id, {
        image,
        truth: indices(truth, colors),
        prediction: indices(prediction, colors),
      });
      if (decoded.size > KEPT) decoded.delete(decoded.keys().next().value);
    }
    return decoded.get(card.id);
  }

  // Which pixels a filter leaves in colour: all, those of a class, or those of one confusion.
  function isShown(filter, own, target, pred) {
    if (filter === null) return true;
    if ("pred" in filter) return target === filter.target && pred === filter.pred;
    return own === filter.target;
  }

  function outcome(filter, target, pred, none) {
    if (target === none) return VOID;
    if (filter === null) return target === pred ? RIGHT : WRONG;
    if ("pred" in filter) {
      return target === filter.target && pred === filter.pred ? WRONG : null;
    }
    if (target === filter.target) return target === pred ? RIGHT : WRONG;
    return pred === filter.target ? FALSE_ALARM : null;
  }

  // Paint one view of a frame; `blend` is the share of the colour over the frame, 0..1.
  function paint(canvas, size, pixels, colors, view, filter, blend) {
    const [height, width] = size;
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    const out = picture.data;
    const { image, truth, prediction } = pixels;
    const none = colors.length - 1;
    for (let pixel = 0, at = 0; pixel < truth.length; pixel += 1, at += 4) {
      const [red, green, blue] = [image[at], image[at + 1], image[at + 2]];
      let color = null;
      let share = blend;
      if (view === "errors") {
        color = outcome(filter, truth[pixel], prediction[pixel], none);
        share = Math.max(blend, 0.75);
      } else if (view !== "frame") {
        const own = view === "truth" ? truth[pixel] : prediction[pixel];
        if (isShown(filter, own, truth[pixel], prediction[pixel])) color = colors[own];
      }
      if (view === "frame") {
        [out[at], out[at + 1], out[at + 2]] = [red, green, blue];
      } else if (color === null) {
        // what the filter leaves out: the frame, grey and pale
        const grey = 0.5 * (0.299 * red + 0.587 * green + 0.114 * blue) + 70;
        out[at] = out[at + 1] = out[at + 2] = grey;
      } else {
        out[at] = share * color[0] + (1 - share) * red;
        out[at + 1] = share * color[1] + (1 - share) * green;
        out[at + 2] = share * color[2] + (1 - share) * blue;
      }
      out[at + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
    canvas.classList.toggle("smooth", view === "frame");
  }

  return { load, paint };
})();

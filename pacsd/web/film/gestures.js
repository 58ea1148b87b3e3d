// Fingers, mouse and wheel on a pane, told apart: one pointer works with the tool, two move and enlarge.

const TAP_MS = 300;
const TAP_PX = 12;

/**
 * `handlers`: start(point, event), move(point, from, event), end(point), cancel() of one pointer; pinch(factor,
 * centre, moved) of two; wheel(steps), zoom(factor, point), twice(point), hover(point).
 */
export function listen(element, handlers) {
  const pointers = new Map();
  let last;
  let lastTap = { at: 0 };
  const pointOf = event => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  element.addEventListener('pointerdown', event => {
    if (event.target.closest('button')) return;          // a captured pointer would take its click away
    element.setPointerCapture?.(event.pointerId);
    pointers.set(event.pointerId, pointOf(event));
    if (pointers.size === 1) {
      last = pointOf(event);
      handlers.start(last, event);
    } else if (pointers.size === 2) {
      handlers.cancel();
    }
  });

  element.addEventListener('pointermove', event => {
    const point = pointOf(event);
    if (!pointers.has(event.pointerId)) return handlers.hover(point, event);
    const before = pair(pointers);
    pointers.set(event.pointerId, point);
    if (pointers.size === 1) {
      handlers.move(point, last, event);
      last = point;
    } else if (pointers.size === 2) {
      const after = pair(pointers);
      const moved = { x: after.centre.x - before.centre.x, y: after.centre.y - before.centre.y };
      handlers.pinch(after.apart / (before.apart || 1), after.centre, moved);
    }
    return undefined;
  });

  const up = event => {
    if (!pointers.delete(event.pointerId)) return;
    if (pointers.size === 0) {
      const point = pointOf(event);
      handlers.end(point, event);
      if (event.type === 'pointerup') tapped(point, event);
    } else if (pointers.size === 1) {
      last = [...pointers.values()][0];
    }
  };
  element.addEventListener('pointerup', up);
  element.addEventListener('pointercancel', up);
  element.addEventListener('contextmenu', event => event.preventDefault());

  const tapped = (point, event) => {
    const near = Math.hypot(point.x - (lastTap.x ?? Infinity), point.y - (lastTap.y ?? Infinity)) < TAP_PX;
    if (near && event.timeStamp - lastTap.at < TAP_MS) {
      handlers.twice(point);
      lastTap = { at: 0 };
    } else {
      lastTap = { ...point, at: event.timeStamp };
    }
  };

  let rest = 0;
  element.addEventListener('wheel', event => {
    event.preventDefault();
    if (event.ctrlKey) return handlers.zoom(Math.exp(-event.deltaY / 200), pointOf(event));
    rest += event.deltaMode ? Math.sign(event.deltaY) : event.deltaY / 60;
    const steps = event.deltaMode || Math.abs(event.deltaY) >= 60 ? Math.sign(event.deltaY) : Math.trunc(rest);
    if (steps) {
      rest = 0;
      handlers.wheel(steps);
    }
    return undefined;
  }, { passive: false });
}

function pair(pointers) {
  const [a, b] = [...pointers.values()];
  if (!b) return undefined;
  return { centre: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, apart: Math.hypot(a.x - b.x, a.y - b.y) };
}

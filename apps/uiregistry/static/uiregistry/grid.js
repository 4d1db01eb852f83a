// Where widgets stand on a grid of twelve columns: moving one makes room for it, and never leaves the grid. Pure: numbers
// in, numbers out; the same bounds as apps.uiregistry.layouts.
"use strict";

window.uiGrid = (() => {
  const COLUMNS = 12;
  const ROWS = 2000;
  const TALLEST = 20;

  function covers(one, other) {
    return one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h;
  }

  function within(place) {
    const w = Math.min(Math.max(place.w, 1), COLUMNS);
    const h = Math.min(Math.max(place.h, 1), TALLEST);
    return {
      ...place, w, h, x: Math.min(Math.max(place.x, 0), COLUMNS - w), y: Math.min(Math.max(place.y, 0), ROWS - h),
    };
  }

  // The one that moved stays where it is; others give way downwards, those that stand higher first.
  function settle(places, moved) {
    const fixed = [moved];
    const others = places.filter((place) => place.id !== moved.id).sort((a, b) => a.y - b.y || a.x - b.x);
    for (const place of others) {
      let now = {...place};
      for (let hit = fixed.find((one) => covers(one, now)); hit; hit = fixed.find((one) => covers(one, now))) {
        now = {...now, y: hit.y + hit.h};
      }
      fixed.push(now);
    }
    return fixed;
  }

  function firstFree(places, id, w, h) {
    const rows = [...new Set([0, ...places.map((place) => place.y + place.h)])].sort((a, b) => a - b);
    for (const y of rows) {
      for (let x = 0; x + w <= COLUMNS; x += 1) {
        const place = {id, x, y, w, h};
        if (!places.some((one) => covers(one, place))) return place;
      }
    }
    return null;
  }

  return {COLUMNS, covers, within, settle, firstFree};
})();

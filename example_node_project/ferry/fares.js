'use strict';

const STOPS = ['Hafen', 'Leuchtturm', 'Insel'];
const CENTS_PER_LEG = 350;

/** The price in cents from one stop to another; children travel at half price, bicycles cost 200 more. */
function fare(from, to, { child = false, bicycle = false } = {}) {
  const [start, end] = [STOPS.indexOf(from), STOPS.indexOf(to)];
  if (start < 0 || end < 0) {
    throw new RangeError(`no such stop: ${start < 0 ? from : to}`);
  }
  const legs = Math.abs(end - start) * CENTS_PER_LEG;
  return (child ? Math.ceil(legs / 2) : legs) + (bicycle ? 200 : 0);
}

module.exports = { STOPS, fare };

'use strict';

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { fare } = require('../fares');

describe('fares', () => {
  it('grow with the way', () => {
    assert.equal(fare('Hafen', 'Leuchtturm'), 350);
    assert.equal(fare('Hafen', 'Insel'), 700);
  });
  it('are the same on the way back', () => {
    assert.equal(fare('Insel', 'Hafen'), fare('Hafen', 'Insel'));
  });
  it('are half for children, and bicycles cost extra', () => {
    assert.equal(fare('Hafen', 'Leuchtturm', { child: true, bicycle: true }), 375);
  });
  it('are refused for a stop that does not exist', () => {
    assert.throws(() => fare('Hafen', 'Mond'), /no such stop: Mond/);
  });
});

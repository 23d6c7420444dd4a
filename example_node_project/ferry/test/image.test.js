'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { describe, it } = require('node:test');
const { readSettings } = require('../settings');

/** The programs of all processes in this container. */
function programs() {
  const ids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return ids.map((id) => fs.readFileSync(`/proc/${id}/cmdline`, 'utf8').replaceAll('\0', ' ').trim());
}

describe('the image under test', () => {
  it('runs nothing but the tests', () => {
    assert.match(programs().join('\n'), /test\.sh/);
    assert.doesNotMatch(programs().join('\n'), /supervisord|nginx|server\.js/);
  });
  it('is in the testing environment', () => {
    assert.equal(readSettings(process.env).environment, 'testing');
    assert.equal(process.env.API_KEY, 'for-tests-only');
  });
  it('refuses an environment that does not exist', () => {
    assert.throws(() => readSettings({ ENVIRONMENT: 'prod' }), /must be one of/);
  });
});

'use strict';

const ENVIRONMENTS = ['development', 'testing', 'production'];

/** What the environment says; refuses what cannot be meant. */
function readSettings(environ) {
  const environment = environ.ENVIRONMENT ?? 'production';
  if (!ENVIRONMENTS.includes(environment)) {
    throw new Error(`ENVIRONMENT=${environment}: must be one of ${ENVIRONMENTS.join(', ')}`);
  }
  return { environment, port: Number(environ.PORT ?? 3000) };
}

module.exports = { readSettings };

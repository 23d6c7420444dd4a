'use strict';

const http = require('node:http');
const { fare } = require('./fares');
const { readSettings } = require('./settings');

const settings = readSettings(process.env);

function answer(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://ferry');
  if (url.pathname === '/health') {
    return answer(response, 200, { environment: settings.environment, pid: process.pid });
  }
  if (url.pathname !== '/fares') {
    return answer(response, 404, { error: 'not found' });
  }
  const options = { child: url.searchParams.has('child'), bicycle: url.searchParams.has('bicycle') };
  try {
    const cents = fare(url.searchParams.get('from'), url.searchParams.get('to'), options);
    return answer(response, 200, { cents, client: request.headers['x-forwarded-for'] });
  } catch (error) {
    return answer(response, 400, { error: error.message });
  }
});

server.listen(settings.port, '127.0.0.1');
process.on('SIGTERM', () => server.close());

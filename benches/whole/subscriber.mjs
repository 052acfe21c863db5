// The least monitor in JavaScript: who said HEARTBEAT when. PEERS is the folder of its library.
import { createRequire } from 'node:module'

const { connect } = createRequire(`${process.env.PEERS}/`)('nats')
const heard = new Map()
const beats = new Map()
const marker = Buffer.from('HEARTBEAT')
const connection = await connect({ servers: process.env.NATS_URL })

for await (const message of connection.subscribe('logs.>')) {
  const now = Date.now()
  heard.set(message.subject, now)
  const payload = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength)
  if (payload.includes(marker) && JSON.parse(payload).event.provider === 'app') beats.set(message.subject, now)
}

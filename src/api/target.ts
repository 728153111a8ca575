import type { CommandTarget, HandlerTarget, HttpHeader, HttpMethod, HttpTarget, Target } from '../domain/job.ts'
import { builder, described } from './builder.ts'

const HttpMethodType = builder.enumType('HttpMethod', {
  description: 'Method of an HTTP request.',
  values: described<HttpMethod>({
    GET: 'No body: the payload is not sent.',
    POST: 'The payload is the body.',
    PUT: 'The payload is the body.',
    PATCH: 'The payload is the body.',
    DELETE: 'The payload is the body.',
    HEAD: 'No body: the payload is not sent.',
  }),
})

const TYPE_NAMES = { http: 'HttpTarget', handler: 'HandlerTarget', command: 'CommandTarget' } as const

/** In plain English: `POST https://…`, `handler log`, `/usr/bin/env true`. */
function describeTarget(target: Target): string {
  switch (target.kind) {
    case 'http':
      return `${target.method} ${target.url}`
    case 'handler':
      return `handler ${target.handler}`
    case 'command':
      return [target.executable, ...target.args].join(' ')
  }
}

export const TargetType = builder.interfaceRef<Target>('Target').implement({
  description: 'What an attempt performs: an HTTP request, a registered handler, or a command.',
  resolveType: (target) => TYPE_NAMES[target.kind],
  fields: (t) => ({
    description: t.string({ description: 'In plain English: POST https://…', resolve: describeTarget }),
  }),
})

const HttpHeaderType = builder.objectRef<HttpHeader>('HttpHeader').implement({
  description: 'A header sent with a request.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name, as it was given.' }),
    value: t.string({
      nullable: true,
      description: 'Its value. Null where it is secret: a secret is never given out.',
      resolve: (header) => (header.secret ? null : header.value),
    }),
    secret: t.exposeBoolean('secret', { description: 'Whether the value is stored and sent, but never shown.' }),
  }),
})

builder.objectRef<HttpTarget>('HttpTarget').implement({
  description: "An HTTP request with the run's payload as its JSON body, signed as Standard Webhooks describes.",
  interfaces: [TargetType],
  fields: (t) => ({
    url: t.exposeString('url', {
      description: 'Where the request goes. Addresses that are not public are refused unless the operator allows them.',
    }),
    method: t.field({ type: HttpMethodType, description: 'Method of the request.', resolve: (target) => target.method }),
    headers: t.field({
      type: [HttpHeaderType],
      description: "Headers sent besides the product's own.",
      resolve: (target) => target.headers,
    }),
    expectStatus: t.field({
      type: ['String'],
      description: 'What counts as success: `204`, `2xx` or `200-299`; any of them.',
      resolve: (target) => target.expectStatus,
    }),
    hasOwnSecret: t.boolean({
      description: "Whether requests are signed with a secret of this job instead of the server's.",
      resolve: (target) => target.secret !== null,
    }),
  }),
})

builder.objectRef<HandlerTarget>('HandlerTarget').implement({
  description: 'A function registered in code.',
  interfaces: [TargetType],
  fields: (t) => ({
    handler: t.exposeString('handler', { description: 'The name it is registered by; see `Query.handlers`.' }),
  }),
})

builder.objectRef<CommandTarget>('CommandTarget').implement({
  description: 'An executable that the operator allows, started without a shell, with the payload as JSON on its standard input.',
  interfaces: [TargetType],
  fields: (t) => ({
    executable: t.exposeString('executable', { description: 'Absolute path.' }),
    args: t.field({ type: ['String'], description: 'Its arguments, each as it is.', resolve: (target) => target.args }),
  }),
})

const HttpHeaderInput = builder.inputType('HttpHeaderInput', {
  description: 'A header to send.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Its name.' }),
    value: t.string({ description: 'Its value. Left out for a secret header in an update: the stored one stays.' }),
    secret: t.boolean({ required: true, defaultValue: false, description: 'Store and send the value, but never show it.' }),
  }),
})

const HttpTargetInput = builder.inputType('HttpTargetInput', {
  description: "An HTTP request with the run's payload as its JSON body.",
  fields: (t) => ({
    url: t.string({ required: true, description: 'An http or https URL, to a public address unless the operator allows others.' }),
    method: t.field({ type: HttpMethodType, required: true, defaultValue: 'POST', description: 'Method of the request.' }),
    headers: t.field({ type: [HttpHeaderInput], description: "Headers sent besides the product's own. Default none." }),
    expectStatus: t.stringList({ description: 'What counts as success: `204`, `2xx` or `200-299`; any of them. Default `2xx`.' }),
    secret: t.string({
      description:
        "`whsec_…`: signs this job's requests instead of the server's. Left out in an update, the stored one stays; null removes it.",
    }),
  }),
})

const HandlerTargetInput = builder.inputType('HandlerTargetInput', {
  description: 'A function registered in code.',
  fields: (t) => ({ handler: t.string({ required: true, description: 'The name it is registered by; see `Query.handlers`.' }) }),
})

const CommandTargetInput = builder.inputType('CommandTargetInput', {
  description: 'An executable, started without a shell.',
  fields: (t) => ({
    executable: t.string({ required: true, description: 'Absolute path; the operator must have listed it.' }),
    args: t.stringList({ description: 'Its arguments, each as it is. Default none.' }),
  }),
})

export const TargetInputType = builder.inputType('TargetInput', {
  description: 'What an attempt shall perform: exactly one of these.',
  isOneOf: true,
  fields: (t) => ({
    http: t.field({ type: HttpTargetInput, description: 'An HTTP request.' }),
    handler: t.field({ type: HandlerTargetInput, description: 'A registered handler.' }),
    command: t.field({ type: CommandTargetInput, description: 'A command.' }),
  }),
})

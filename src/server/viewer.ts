import { SCOPES, type Viewer } from '../api/context.ts'

/**
 * Who asks. This version has no keys, so whoever reaches the server may do everything: the configuration lets it listen only where that
 * is meant. Credentials that come all the same, by header or by `connectionParams`, are accepted and change nothing.
 */
export const EVERYBODY: Viewer = Object.freeze({ name: 'anonymous', scopes: SCOPES })

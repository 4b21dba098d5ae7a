import type { EdgeSamples, ServiceSample, VersionSample } from '../edge/protocol.ts'
import { fields, list, text, whole } from './check.ts'

/** What an edge says it has counted for the judge. */
export const parseSamples = (value: unknown): EdgeSamples => {
  const samples = fields(value, 'samples')
  return {
    epoch: text(samples.epoch, 'epoch'),
    at: whole(samples.at, 'at'),
    services: list(samples.services, 'services', parseService),
  }
}

const parseService = (value: unknown, at: string): ServiceSample => {
  const service = fields(value, at)
  return {
    service: text(service.service, `${at}.service`),
    versions: list(service.versions, `${at}.versions`, parseVersion),
  }
}

const parseVersion = (value: unknown, at: string): VersionSample => {
  const sample = fields(value, at)
  return {
    version: text(sample.version, `${at}.version`),
    requests: whole(sample.requests, `${at}.requests`),
    errors: whole(sample.errors, `${at}.errors`),
    slower: list(sample.slower, `${at}.slower`, whole),
    mirrored: whole(sample.mirrored, `${at}.mirrored`),
    leftOut: whole(sample.leftOut, `${at}.leftOut`),
  }
}

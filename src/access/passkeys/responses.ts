import { z } from 'zod'

/** Of what a browser's authenticator answers (WebAuthn level 3, §5.1), the parts that are verified; base64url throughout. */
const text = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[A-Za-z0-9_-]+$/, 'this is no base64url')
const about = {
  id: text(1_400),
  rawId: text(1_400),
  type: z.literal('public-key'),
}

export const Registration = z.object({
  ...about,
  response: z.object({ clientDataJSON: text(8_000), attestationObject: text(64_000) }),
})
export type Registration = z.infer<typeof Registration>

export const SignInAnswer = z.object({
  ...about,
  response: z.object({ clientDataJSON: text(8_000), authenticatorData: text(8_000), signature: text(8_000) }),
})
export type SignInAnswer = z.infer<typeof SignInAnswer>

/** PublicKeyCredentialCreationOptionsJSON. */
export const RegistrationOptions = z.object({
  rp: z.object({ id: z.string(), name: z.string() }),
  user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
  challenge: z.string(),
  pubKeyCredParams: z.array(z.object({ alg: z.number().int(), type: z.literal('public-key') })),
  timeout: z.number(),
  excludeCredentials: z.array(z.object({ id: z.string(), type: z.literal('public-key') })),
  authenticatorSelection: z.object({
    residentKey: z.literal('required'),
    requireResidentKey: z.literal(true),
    userVerification: z.literal('required'),
  }),
  attestation: z.literal('none'),
})
export type RegistrationOptions = z.infer<typeof RegistrationOptions>

/** PublicKeyCredentialRequestOptionsJSON. */
export const SignInOptions = z.object({
  rpId: z.string(),
  challenge: z.string(),
  timeout: z.number(),
  userVerification: z.literal('required'),
})
export type SignInOptions = z.infer<typeof SignInOptions>

export const PasskeyName = z
  .string()
  .trim()
  .min(1, 'a passkey has a name')
  .max(60, 'its name has at most 60 characters')

/** The list that a survey asks by; another list gets another name, so that what was asked before stays told apart. */
export const questions = 'westrum-1'

/**
 * The six statements by which DORA asks for a generative culture after Westrum (dora.dev, "Generative organizational culture"), each from 1
 * (strongly disagree) to 7 (strongly agree).
 */
export const statements: readonly string[] = [
  'On my team, information is actively sought.',
  'Messengers are not punished when they deliver news of failures or other bad news.',
  'On my team, responsibilities are shared.',
  'On my team, cross-functional collaboration is encouraged and rewarded.',
  'On my team, failure causes inquiry.',
  'On my team, new ideas are welcomed.',
]

/** What the server looks at before it loads the services. */

/** What the token of a job for Git and the API begins with. */
export const apiPrefix = 'hwj_'

export const isJobToken = (text: string): boolean => text.startsWith(apiPrefix)

/** What the listener hands over to the services: what jobs call, and where others verify who a job is. */
export const isResultsPath = (url: string): boolean => /^\/(twirp|results|oidc|_apis\/artifactcache)\//.test(url)

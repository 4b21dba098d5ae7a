export { type Detection, detect, detectionFiles, serviceFileFor } from './detect.ts'
export {
  type CommitPlan,
  folderOf,
  type PlannedService,
  planCommit,
  planFolder,
  planningFiles,
  type RefusedService,
  serviceFolders,
} from './discover.ts'
export { type Explanation, explain, explanationText } from './explain.ts'
export { languages } from './languages/index.ts'
export { parseServiceFile, type ServiceParsing } from './parse.ts'
export { workflowFor, workflowPath } from './workflow.ts'

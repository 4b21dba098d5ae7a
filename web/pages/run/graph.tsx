import { useNavigate } from '@tanstack/react-router'
import { type Edge, Handle, type Node, type NodeProps, Position, ReactFlow } from '@xyflow/react'
import '@xyflow/react/dist/style.css'
import { useMemo } from 'react'
import type { Run } from '../../api/run-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Dot } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { jobState, jobTone } from './job-list.tsx'
import { layersOf } from './layers.ts'

type Job = Run['jobs'][number]
type JobNode = Node<{ job: Job; isChosen: boolean }, 'job'>

const size = { width: 200, height: 44, gapX: 56, gapY: 16 } as const

/** The jobs, each right of those that it needs and tied to them. The list beneath says the same to those who do not see it. */
export const Graph = ({ jobs, chosen }: { jobs: readonly Job[]; chosen: string | null }) => {
  const navigate = useNavigate({ from: '/projects/$project/runs/$run' })
  const { nodes, edges, rows } = useMemo(() => graphOf(jobs, chosen), [jobs, chosen])
  return (
    <div className="border-t border-line" style={{ height: Math.min(420, rows * (size.height + size.gapY) + 48) }}>
      <ReactFlow
        aria-label={t.run.graph}
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        onNodeClick={(_, { id }) =>
          void navigate({ search: (before) => changedSearch(before, { job: id, line: undefined }), resetScroll: false })
        }
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        zoomOnScroll={false}
        preventScrolling={false}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.1 }}
        minZoom={0.3}
        proOptions={{ hideAttribution: true }}
      />
    </div>
  )
}

const Box = ({ data: { job, isChosen } }: NodeProps<JobNode>) => (
  <div
    className={`flex h-11 w-[200px] items-center gap-2 rounded-md border bg-raised px-3 ${isChosen ? 'border-accent' : 'border-line'}`}
    title={`${job.name}: ${jobState(job)}`}
  >
    <Handle type="target" position={Position.Left} className="invisible" />
    <Dot tone={jobTone(job)} />
    <Foreign className="min-w-0 truncate font-medium">{job.name}</Foreign>
    <Handle type="source" position={Position.Right} className="invisible" />
  </div>
)
const nodeTypes = { job: Box }

const graphOf = (jobs: readonly Job[], chosen: string | null) => {
  const layers = layersOf(jobs)
  const nodes = layers.flatMap((layer, column) =>
    layer.map(
      (job, row): JobNode => ({
        id: job.job,
        type: 'job',
        data: { job, isChosen: job.job === chosen },
        position: { x: column * (size.width + size.gapX), y: row * (size.height + size.gapY) },
        width: size.width,
        height: size.height,
      }),
    ),
  )
  const there = new Set(jobs.map(({ job }) => job))
  const edges = jobs.flatMap(({ job, needs, status }) =>
    needs
      .filter((needed) => there.has(needed))
      .map((needed): Edge => ({ id: `${needed}>${job}`, source: needed, target: job, animated: status === 'running' })),
  )
  return { nodes, edges, rows: Math.max(1, ...layers.map(({ length }) => length)) }
}

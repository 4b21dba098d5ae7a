import { Children, type HTMLAttributes } from 'react'
import { visibleOf } from './log/ansi.ts'

/**
 * A text that somebody else wrote. Whatever direction it runs in, it does not turn what stands beside it; what would turn or hide a part of
 * it (marks of direction, escape sequences, characters without width) is written out.
 */
export const Foreign = ({ children, ...rest }: HTMLAttributes<HTMLElement>) => (
  <bdi {...rest}>
    {Children.map(children, (child) =>
      typeof child !== 'string'
        ? child
        : visibleOf(child).map(({ text, isControl }, at) =>
            isControl ? (
              // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one text have no other name
              <span key={at} className="rounded-sm bg-wait-wash text-wait">
                {text}
              </span>
            ) : (
              text
            ),
          ),
    )}
  </bdi>
)

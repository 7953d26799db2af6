/** Who imports whom, at run time and everywhere: no rules, for tests that ask about the graph itself. */
export default {
  forbidden: [],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: false,
    tsConfig: { fileName: 'tsconfig.json' },
  },
}

import { resolve } from 'node:path'
import tseslint from 'typescript-eslint'

/** The house's lint rules. A floating promise is a leaked call; a template with a value inside the CDE is a leak. */
export default tseslint.config(
  { ignores: ['**/node_modules/**', '**/.tap/**', 'src/desk/page/**', '**/*.mjs'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { project: './tsconfig.json', tsconfigRootDir: resolve(import.meta.dirname, '../..') },
    },
    linterOptions: { noInlineConfig: true },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-definitions': ['error', 'type'],
      'no-restricted-syntax': ['error', { selector: 'ExportDefaultDeclaration', message: 'no default exports' }],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // tap itself waits for its subtests.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafePromises: [{ from: 'package', name: 'PromiseWithSubtest', package: '@tapjs/core' }] },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: { 'no-console': 'error' },
  },
  {
    files: ['src/cde/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'no default exports' },
        { selector: 'TemplateLiteral[expressions.length>0]', message: 'a value in a text of the CDE can be a digit' },
      ],
    },
  },
)

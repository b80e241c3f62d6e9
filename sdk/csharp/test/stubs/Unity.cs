// As much of Unity's API as GodraBehaviour needs to compile. It does nothing.
using System;

namespace UnityEngine
{
    [AttributeUsage(AttributeTargets.Field)]
    public sealed class SerializeField : Attribute { }

    public class Object { }

    public class MonoBehaviour : Object { }

    public static class Application
    {
        public static string persistentDataPath => "";
    }

    public static class Debug
    {
        public static void LogError(object message) { }
        public static void LogWarning(object message) { }
        public static void LogException(Exception exception, Object context) { }
    }
}
